"""Sessions that the server has lost: what the client is told, and what of them is made again when that is wished."""

import base64
import urllib.parse

from harness import SPARK, TOKEN, expect, expect_equal
from registry import proxied
from wire import field, fields, text

SESSION = "5e551000-0000-4000-8000-0000001e{:04d}"
CHANGED = "[INVALID_HANDLE.SESSION_CHANGED] The handle ‘x’ is invalid."
CLOSED = "[INVALID_HANDLE.SESSION_CLOSED] The handle is invalid."
LOST = (" sparkbouncer: the server has lost this session (cluster restarted?): temporary views, SQL settings, cached tables "
        "and artifacts are gone; make a new session")


def head(number, user="ann"):
    return field(1, SESSION.format(number)) + field(2, field(1, user))


def status(message):
    info = field(1, "type.googleapis.com/google.rpc.ErrorInfo") + field(2, field(1, "org.apache.spark.SparkSQLException"))
    return field(1, 13) + field(2, message) + field(3, info)


def refusal(message, details=None):
    words = f"status=13,message={urllib.parse.quote(message)}"
    return words + (f",details={(details if details is not None else status(message)).hex()}")


def details_of(result):
    [value] = [value for key, value in result["trailing"] if key == "grpc-status-details-bin"]
    return value


@proxied("lost session: the server's words come first, then ours, in grpc-message and in the details alike")
def sentence(scene):
    server = scene.fake(token=TOKEN)
    client = scene.client(scene.daemon(server))
    for shape, method in (("uu", "Config"), ("uu", "AnalyzePlan"), ("us", "ExecutePlan")):
        for more in ("", ",trailers_only"):
            result = client.call(SPARK + method, head(1), refusal(CHANGED) + more, shape=shape)
            expect_equal((result.code, result.details), ("INTERNAL", CHANGED + LOST), method)
            expect_equal(details_of(result), status(CHANGED + LOST), f"the details of {method}")
    closed = client.call(SPARK + "Config", head(1), refusal(CLOSED))
    expect(closed.details.startswith(CLOSED + " sparkbouncer: the server has closed this session"), closed.details)
    expect_equal(details_of(closed), status(closed.details), "the details")


@proxied("lost session: what cannot be told in both places, or has nothing to do with it, passes byte for byte")
def untouched(scene):
    server = scene.fake(token=TOKEN)
    client = scene.client(scene.daemon(server))
    other = status("another message")
    result = client.call(SPARK + "Config", head(1), refusal(CHANGED, other))
    expect_equal((result.details, details_of(result)), (CHANGED, other), "details that differ")
    long = CHANGED + "x" * 3300
    result = client.call(SPARK + "Config", head(1), refusal(long))
    expect_equal((result.details, details_of(result)), (long, status(long)), "what would be too long")
    result = client.call(SPARK + "Config", head(1), refusal("[TABLE_OR_VIEW_NOT_FOUND] t"))
    expect_equal(result.details, "[TABLE_OR_VIEW_NOT_FOUND] t", "another error")
