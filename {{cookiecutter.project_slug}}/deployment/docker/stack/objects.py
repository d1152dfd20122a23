"""Run inside the registry's container: all objects to stdout as a tar (`out`), or from stdin into the store (`in`).

The tar's last member has the name that is given, and holds the number of the others: a stream may end early.
"""

import io
import os
import sys
import tarfile
import tempfile

import boto3  # type: ignore[import-not-found,unused-ignore]

BUCKET = os.environ["MLFLOW_ARTIFACTS_DESTINATION"].removeprefix("s3://").strip("/")
store = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"])

verb, last = sys.argv[1:]
number = 0

if verb == "out":
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
        for page in store.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for listed in page.get("Contents", []):
                found = store.get_object(Bucket=BUCKET, Key=listed["Key"])
                member = tarfile.TarInfo(listed["Key"])
                member.size, member.mtime = found["ContentLength"], listed["LastModified"].timestamp()
                archive.addfile(member, found["Body"])
                number += 1
        text = str(number).encode()
        member = tarfile.TarInfo(last)
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
else:
    said = None
    try:
        with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
            for member in archive:
                file = archive.extractfile(member)
                if file is not None and member.name == last:
                    said = int(file.read())
                elif file is not None:
                    with tempfile.TemporaryFile() as part:  # an upload goes back and forth in what it sends
                        while block := file.read(1 << 20):
                            part.write(block)
                        part.seek(0)
                        store.upload_fileobj(part, BUCKET, member.name)
                    number += 1
    except tarfile.ReadError as error:
        sys.exit(f"error: the archive was cut off on its way: {error}")
    if said != number:
        sys.exit(f"error: the archive was cut off on its way: {number} objects came, and it says {said}")
