"""A multilayer perceptron for tables: numbers as they are, categories as embeddings."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


class MLP(nn.Module):
    """Linear layers with ReLU and dropout between them.

    Args:
        width: number of features F.
        levels: number of codes of those features that are codes of a category, by position.
        hidden: widths of the hidden layers.
        outputs: 1 for a regression, else the number of classes.
        dropout: share of units that are dropped in training.
        embedding: greatest width of an embedding; a category with K codes gets min(embedding, 1 + K // 2).
    """

    def __init__(
        self, width: int, levels: Mapping[int, int], hidden: Sequence[int], outputs: int, dropout: float, embedding: int
    ) -> None:
        super().__init__()
        self.codes = sorted(levels)
        self.register_buffer("numbers", torch.tensor([i for i in range(width) if i not in levels], dtype=torch.int64))
        widths = [min(embedding, 1 + levels[position] // 2) for position in self.codes]
        tables = [nn.Embedding(levels[p], units) for p, units in zip(self.codes, widths, strict=True)]
        for table in tables:
            with torch.no_grad():  # codes 0 and 1, unknown and missing, may never be trained: let them say nothing
                table.weight[:2] = 0.0
        self.embeddings = nn.ModuleList(tables)
        size = width - len(self.codes) + sum(widths)
        layers: list[nn.Module] = []
        for units in hidden:
            layers += [nn.Linear(size, units), nn.ReLU(), nn.Dropout(dropout)]
            size = units
        self.layers = nn.Sequential(*layers, nn.Linear(size, outputs))

    def forward(self, features: Tensor) -> Tensor:
        """Scaled value or logits `[N, outputs]` for features float32 `[N, F]`."""
        assert isinstance(self.numbers, Tensor)
        parts = [features.index_select(1, self.numbers)]
        for position, table in zip(self.codes, self.embeddings, strict=True):
            parts.append(table(features[:, position].long()))
        return self.layers(torch.cat(parts, dim=1))  # type: ignore[no-any-return]


class Predictor(nn.Module):
    """What is exported: the network, and back to the target's unit or to probabilities.

    Args:
        network: from features to a scaled value or to logits.
        mean: of the target in training; None for a classification.
        deviation: of the target in training.
    """

    def __init__(self, network: nn.Module, mean: float | None, deviation: float) -> None:
        super().__init__()
        self.network, self.mean, self.deviation = network, mean, deviation

    def forward(self, features: Tensor) -> Tensor:
        """The value in the target's unit `[N, 1]`, or probabilities `[N, K]`."""
        raw: Tensor = self.network(features)
        return torch.softmax(raw, dim=1) if self.mean is None else raw * self.deviation + self.mean
