"""The least that answers: Starlette, orjson and onnxruntime on one graph. It checks nothing, logs and counts nothing.

`uvicorn bare:app`, with the graph's path in BARE_GRAPH.
"""

import os

import numpy as np
import onnxruntime
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["BARE_GRAPH"], options, providers=["CPUExecutionProvider"])
inputs = [(given.name, object if "string" in given.type else np.float64) for given in session.get_inputs()]
outputs = [given.name for given in session.get_outputs()]


async def predict(request: Request) -> Response:
    """Predictions for records."""
    records = orjson.loads(await request.body())["records"]
    feeds = {name: np.array([[record[name]] for record in records], kind) for name, kind in inputs}
    answers = dict(zip(outputs, session.run(None, feeds), strict=True))
    rows = [{name: answers[name][row, 0].item() for name in outputs} for row in range(len(records))]
    return Response(orjson.dumps({"predictions": rows}), media_type="application/json")


app = Starlette(routes=[Route("/predict", predict, methods=["POST"])])
