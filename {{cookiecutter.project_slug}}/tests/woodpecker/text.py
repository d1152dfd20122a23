"""What Woodpecker reads in texts: `${NAME}` anywhere in a file, globs and expressions in `when`."""

import re
from collections.abc import Mapping

SUBSTITUTED = re.compile(r"\$\$|\$\{(?P<inside>[^}]*)\}")
PLAIN = re.compile(r"(?P<name>\w+)(##(?P<prefix>[^*?]+)|:(?P<start>\d+)(:(?P<length>\d+))?)?")
TOKEN = re.compile(
    r"""\s*(?:(?P<text>"[^"\\]*"|'[^'\\]*')|(?P<sign>==|!=|&&|\|\||[!()\[\],])|(?P<word>[A-Za-z_]\w*))"""
)
UNDEFINED = None


class PipelineError(Exception):
    """Woodpecker would not start it, or would not do what the file seems to say."""


def substituted(text: str, variables: Mapping[str, str]) -> str:
    """A file as Woodpecker reads it: every `${NAME}` is replaced before it is parsed, and `$$` becomes `$`.

    Raises:
        PipelineError: a variable is not there, which Woodpecker takes for empty; or an operation is not known here.
    """

    def value(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        asked = PLAIN.fullmatch(found["inside"])
        if asked is None:
            raise PipelineError(f"{found[0]} is not known here; what is meant for the shell is written with $$")
        if asked["name"] not in variables:
            raise PipelineError(f"{found[0]}: no such variable; Woodpecker would put nothing there")
        whole = variables[asked["name"]]
        if asked["prefix"]:
            return whole.removeprefix(asked["prefix"])
        if asked["start"]:
            end = int(asked["start"]) + int(asked["length"]) if asked["length"] else None
            return whole[int(asked["start"]) : end]
        return whole

    return SUBSTITUTED.sub(value, text)


def matches(pattern: str, text: str) -> bool:
    """Whether a glob is true of all of a text: `*` stops at a slash, `**` does not."""
    if re.search(r"[\[\]{}\\]", pattern):
        raise PipelineError(f"{pattern!r} has signs of globs that are not known here")
    parts = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = (parts.get(piece, re.escape(piece)) for piece in re.split(r"(\*\*|\*|\?)", pattern))
    return re.fullmatch("".join(pieces), text) is not None


def evaluated(expression: str, variables: Mapping[str, str]) -> bool:
    """An expression of `when: evaluate`: comparisons of variables and texts, `in`, `not`, `and`, `or`, parentheses.

    A variable that is not there is nothing, which equals no text.

    Raises:
        PipelineError: it says something else, or its value is no truth value.
    """
    answer = _Expression(expression, variables).whole()
    if not isinstance(answer, bool):
        raise PipelineError(f"evaluate: {expression} is {answer!r}, neither true nor false")
    return answer


class _Expression:
    """A parser of one level for each rank of the operators, which works the value out at once."""

    def __init__(self, source: str, variables: Mapping[str, str]) -> None:
        self._source, self._variables = source, variables
        self._tokens, position = [], 0
        while source[position:].strip():
            found = TOKEN.match(source, position)
            if found is None:
                raise self._wrong(source[position:])
            self._tokens.append(found[0].strip())
            position = found.end()
        self._tokens.reverse()

    def whole(self) -> object:
        answer = self._either()
        if self._tokens:
            raise self._wrong(self._tokens[-1])
        return answer

    def _either(self) -> object:
        answer = self._both()
        while self._next("||", "or"):
            answer = self._truth(self._both()) | self._truth(answer)
        return answer

    def _both(self) -> object:
        answer = self._negated()
        while self._next("&&", "and"):
            answer = self._truth(self._negated()) & self._truth(answer)
        return answer

    def _negated(self) -> object:
        return not self._truth(self._negated()) if self._next("!", "not") else self._compared()

    def _compared(self) -> object:
        left = self._value()
        if self._next("=="):
            return left == self._value()
        if self._next("!="):
            return left != self._value()
        if self._next("in"):
            return left in self._list()
        return left

    def _list(self) -> list[object]:
        self._expect("[")
        found = [self._value()]
        while self._next(","):
            found.append(self._value())
        self._expect("]")
        return found

    def _value(self) -> object:
        token = self._tokens.pop() if self._tokens else ""
        if token == "(":
            inside = self._either()
            self._expect(")")
            return inside
        if token[:1] in ('"', "'"):
            return token[1:-1]
        if token in ("true", "false"):
            return token == "true"
        if not token.isidentifier() or token in ("in", "and", "or", "not"):
            raise self._wrong(token or "its end")
        return self._variables.get(token, UNDEFINED)

    def _next(self, *signs: str) -> bool:
        if self._tokens and self._tokens[-1] in signs:
            self._tokens.pop()
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._next(sign):
            raise self._wrong(self._tokens[-1] if self._tokens else "its end")

    def _truth(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise self._wrong(repr(value))
        return value

    def _wrong(self, what: str) -> PipelineError:
        return PipelineError(f"evaluate: {self._source}: {what} is not known here")
