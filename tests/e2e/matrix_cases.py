"""The cases of matrix.py: one function each, from a Side to something that JSON can hold and that is the same wherever
it runs. Functions that run on the server are defined inside the cases: cloudpickle then sends them whole."""

import hashlib
import json
import os
import re
import tempfile
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# What builder.remote() would do; with a channel builder of one's own, PySpark leaves it to the program.
os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"

from pyspark.errors import PySparkException
from pyspark.sql.connect.client import DefaultChannelBuilder
from pyspark.sql.connect.session import SparkSession
from pyspark.sql.functions import col, expr, pandas_udf, udf

CASES = {}
LONG_QUERY = "SELECT sum(id % 7 ^ 3) FROM range(0, 1000000000000, 1, 1)"  # one task: two of them fit on two cores
WAIT = 60  # seconds until an event that must come counts as lost


class Skip(Exception):
    """This case cannot run here; the text says why."""


def case(function):
    CASES[function.__name__] = function
    return function


def with_parameters(url, **parameters):
    base = url.rstrip("/") if "/;" not in url else url
    separator = ";" if "/;" in base else "/;"
    return base + separator + ";".join(f"{key}={value}" for key, value in parameters.items())


def digest(value):
    data = value if isinstance(value, bytes) else json.dumps(value, sort_keys=True, default=str).encode()
    return hashlib.sha256(data).hexdigest()[:16]


class Side:
    """One way to the server: makes sessions, and ends them when the case is over."""

    def __init__(self, name, url, second_url, other_url):
        self.name = name
        self.url = url
        self.second_url = second_url
        self.other_url = other_url
        self.sessions = []

    @property
    def is_proxied(self):
        return self.name == "proxied"

    def session(self, url=None, options=(), **parameters):
        """A new session on a connection of its own: gRPC would share one among all channels of a process."""
        url = with_parameters(url or self.url, **parameters) if parameters else url or self.url
        builder = DefaultChannelBuilder(url, [("grpc.use_local_subchannel_pool", 1), *options])
        spark = SparkSession.builder.channelBuilder(builder).create()
        self.sessions.append(spark)
        return spark

    def close(self):
        for spark in self.sessions:
            try:
                if not spark.is_stopped:
                    spark.stop()
            except Exception as error:
                print(f"   while stopping a session: {error}")
        self.sessions = []


class Running:
    """A long query in a thread of its own; `started` is set when the server reports that a task of it runs (an earlier
    interrupt can miss it). `others`: what runs in the same session already, since the handlers are the session's."""

    def __init__(self, spark, tag=None, others=()):
        self.others = {other.operation_id for other in others}
        self.started = threading.Event()
        self.error = None
        self.operation_id = None
        self.spark = spark
        self.tag = tag
        self.thread = threading.Thread(target=self.run, daemon=True)
        spark.registerProgressHandler(self.on_progress)
        self.thread.start()

    def on_progress(self, stages, inflight_tasks, operation_id, done):
        if inflight_tasks and not done and operation_id not in self.others:
            self.operation_id = operation_id
            self.started.set()

    def run(self):
        try:
            if self.tag:
                self.spark.addTag(self.tag)
            self.spark.sql(LONG_QUERY).collect()
        except PySparkException as error:
            self.error = error

    def await_start(self):
        assert self.started.wait(WAIT), "the query did not start"
        self.spark.removeProgressHandler(self.on_progress)

    def await_end(self):
        self.thread.join(WAIT)
        assert not self.thread.is_alive(), "the interrupted query goes on"
        return describe_error(self.error)


def describe_error(error):
    """What of an error must be the same each time: numbers in texts (ids, times) need not."""
    if error is None:
        return None
    return {
        "type": type(error).__name__,
        "condition": error.getCondition(),
        "state": error.getSqlState(),
        "message": re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "UUID", re.sub(r"\d+\.\d+", "N", str(error)))[:2000],
    }


def error_of(function):
    try:
        function()
    except PySparkException as error:
        return error
    raise AssertionError("this should have failed")


# --- results ----------------------------------------------------------------------------------------------------


@case
def collect(side):
    """rows of many types, and a collect of many batches"""
    spark = side.session()
    rows = spark.sql(
        "SELECT id, cast(id AS decimal(10,2)) d, date_add(date'2026-01-01', cast(id AS int)) day, array(id, id + 1) a,"
        " map('k', id) m, named_struct('x', id, 'y', null) s, cast(concat('é', id) AS binary) b, null n FROM range(200)"
    ).collect()
    many = spark.range(300_000).selectExpr("id", "concat('row ', id) name").collect()
    return {"rows": digest([str(row) for row in rows]), "many": len(many), "last": str(many[-1]),
            "sum": sum(row.id for row in many)}


@case
def to_pandas(side):
    """toPandas() of a million rows"""
    frame = side.session().range(1_000_000).selectExpr("id", "id * 0.5d AS half", "concat('c', id % 97) name").toPandas()
    return {"rows": len(frame), "sum": int(frame["id"].sum()), "half": float(frame["half"].sum()),
            "names": digest(sorted(frame["name"].unique())), "types": [str(t) for t in frame.dtypes]}


@case
def to_arrow(side):
    """toArrow() and toLocalIterator(), which reads as it goes"""
    spark = side.session()
    table = spark.range(100_000).selectExpr("id", "array(id, -id) pair").toArrow()
    total = sum(row.id for row in spark.range(50_000).toLocalIterator())
    return {"rows": table.num_rows, "schema": str(table.schema), "ids": sum(table["id"].to_pylist()), "total": total}


@case
def empty_result(side):
    """no rows, no columns, no partitions"""
    spark = side.session()
    frame = spark.range(10).where("id > 99").toPandas()
    return {"rows": spark.range(0).collect(), "frame": [len(frame), list(frame.columns)],
            "count": spark.range(10).where("id < 0").count(), "empty": spark.createDataFrame([], "a int").isEmpty(),
            "no_columns": len(spark.range(3).select().collect())}


@case
def large_row(side):
    """one row of 60 MB"""
    row = side.session().sql("SELECT 7 AS k, repeat('0123456789', 6000000) AS v").collect()[0]
    return {"k": row.k, "length": len(row.v), "digest": digest(row.v.encode())}


@case
def small_chunks(side):
    """a result in thousands of small messages, each answered by a release"""
    spark = side.session()
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "100")
    frame = spark.range(0, 50_000, 1, 2).toPandas()
    return {"rows": len(frame), "sum": int(frame["id"].sum())}


@case
def not_reattachable(side):
    """execution without reattach, as other clients do it"""
    spark = side.session()
    spark.client.disable_reattachable_execute()
    return {"sum": sum(row.id for row in spark.range(100_000).collect())}


@case
def compressed(side):
    """requests compressed with gzip by gRPC"""
    spark = side.session(options=[("grpc.default_compression_algorithm", 2)])
    frame = spark.createDataFrame([(i, "x" * 1000) for i in range(1000)], "id int, text string")
    return {"sum": frame.selectExpr("sum(id) + sum(length(text))").collect()[0][0]}


# --- uploads ----------------------------------------------------------------------------------------------------


@case
def create_dataframe(side):
    """createDataFrame of 20 MB"""
    import pandas

    # Hex of a hash: 64 characters that do not compress to nothing.
    texts = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(260_000)]
    frame = pandas.DataFrame({"id": range(len(texts)), "text": texts})
    spark = side.session()
    row = spark.createDataFrame(frame).selectExpr(
        "count(*)", "sum(id)", "sum(length(text))", "bit_xor(xxhash64(text))", "max(text)").collect()[0]
    assert row[0] == len(texts) and row[2] == 64 * len(texts) and row[4] == max(texts), row
    return list(row)


@case
def add_artifact(side):
    """addArtifact of 10 MB, read by a function on the server; a Python module the same way"""
    content = hashlib.shake_256(b"artifact").digest(10_000_000)
    name = f"artifact-{uuid.uuid4().hex}.bin"
    module = f"artifact_module_{uuid.uuid4().hex}"
    spark = side.session()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        spark.addArtifact(str(path), file=True)
        source = Path(folder) / f"{module}.py"
        source.write_text("ANSWER = 42\n", encoding="utf-8")
        spark.addArtifact(str(source), pyfile=True)

    @udf("string")
    def read_artifact(_):
        import hashlib as hashes
        import importlib

        from pyspark.core.files import SparkFiles

        with open(os.path.join(SparkFiles.getRootDirectory(), name), "rb") as file:
            data = file.read()
        return f"{len(data)} {hashes.sha256(data).hexdigest()} {importlib.import_module(module).ANSWER}"

    seen = spark.range(1).select(read_artifact("id")).collect()[0][0]
    assert seen == f"{len(content)} {hashlib.sha256(content).hexdigest()} 42", seen
    return seen


@case
def python_udf(side):
    """Python, pandas and grouped-map functions on the server"""
    spark = side.session()

    @udf("string")
    def shout(text):
        return text.upper() + "!"

    @pandas_udf("struct<twice:bigint,half:double>")
    def both(ids):
        import pandas

        return pandas.DataFrame({"twice": ids * 2, "half": ids / 2})

    def largest(frame):
        return frame.nlargest(1, "id")

    def grow(batches):
        for batch in batches:
            yield batch.assign(id=batch["id"] + 1)

    frame = spark.range(1000).selectExpr("id", "concat('n', id % 10) name")
    spark.udf.register("shout", shout)
    return {
        "udf": digest([row[0] for row in frame.select(shout("name")).collect()]),
        "sql": spark.sql("SELECT shout('abc')").collect()[0][0],
        "pandas": str(frame.select(both("id").alias("b")).selectExpr("sum(b.twice)", "sum(b.half)").collect()[0]),
        "grouped": sorted(tuple(r) for r in frame.groupBy("name").applyInPandas(largest, frame.schema).collect()),
        "map": frame.select("id").mapInPandas(grow, "id bigint").agg({"id": "sum"}).collect()[0][0],
    }


@case
def write_and_read(side):
    """save as a table, read back, append, drop; catalog, explain, schema, cache"""
    spark = side.session()
    table = f"matrix_{uuid.uuid4().hex[:12]}"
    try:
        spark.range(1000).selectExpr("id", "id % 3 AS part").write.partitionBy("part").saveAsTable(table)
        spark.range(1000, 1010).selectExpr("id", "0 AS part").write.insertInto(table)
        frame = spark.read.table(table).cache()
        result = {"count": frame.count(), "sum": frame.agg({"id": "sum"}).collect()[0][0], "schema": str(frame.schema),
                  "listed": spark.catalog.tableExists(table), "level": str(frame.storageLevel),
                  "explained": "== Physical Plan ==" in frame._explain_string()}
        frame.unpersist()
        return result
    finally:
        spark.sql(f"DROP TABLE IF EXISTS {table}")


# --- errors -----------------------------------------------------------------------------------------------------


@case
def error_details(side):
    """errors with the server's full text and stack trace (FetchErrorDetails)"""
    spark = side.session()
    spark.conf.set("spark.sql.connect.serverStacktrace.enabled", "true")

    @udf("int")
    def fail(_):
        raise ValueError("made up, " + "and long " * 20_000)

    analysis = error_of(lambda: spark.sql("SELECT nothing_of_this_name FROM range(3)").collect())
    arithmetic = error_of(lambda: spark.sql("SELECT 1 DIV (id - 1) FROM range(3)").collect())
    parse = error_of(lambda: spark.sql("SELEKT 1").collect())
    python = error_of(lambda: spark.range(1).select(fail("id")).collect())
    assert "JVM stacktrace:" in str(analysis) and "\tat org.apache.spark" in str(arithmetic)
    return {
        "analysis": describe_error(analysis), "parse": describe_error(parse),
        "arithmetic": [type(arithmetic).__name__, arithmetic.getCondition(), arithmetic.getSqlState(),
                       len(arithmetic.getQueryContext())],
        "context": [context.fragment() for context in analysis.getQueryContext()],
        "python": [type(python).__name__, str(python).count("and long ")],
        "alive": spark.range(3).count(),
    }


# --- interrupting -----------------------------------------------------------------------------------------------


@case
def interrupt_all(side):
    """interruptAll() ends a running query"""
    spark = side.session()
    running = Running(spark)
    running.await_start()
    interrupted = spark.interruptAll()
    return {"interrupted": len(interrupted), "error": running.await_end(), "alive": spark.range(5).count()}


@case
def tags(side):
    """interruptTag() ends the query of that tag and leaves the other alone"""
    spark = side.session()
    first = Running(spark, "first")
    first.await_start()
    second = Running(spark, "second", [first])
    second.await_start()
    stopped = len(spark.interruptTag("first"))
    first_error = first.await_end()
    still_running = second.thread.is_alive()
    stopped += len(spark.interruptTag("second"))
    spark.addTag("kept")
    return {"stopped": stopped, "first": first_error, "second": second.await_end(), "still_running": still_running,
            "none": spark.interruptTag("third"), "tags": sorted(spark.getTags())}


@case
def interrupt_operation(side):
    """interruptOperation() of an id that came with the progress"""
    spark = side.session()
    running = Running(spark)
    running.await_start()
    interrupted = spark.interruptOperation(running.operation_id)
    return {"same": interrupted == [running.operation_id], "error": running.await_end()}


@case
def progress_handler(side):
    """the progress handler is told of stages and of the end"""
    spark = side.session()
    reports = []

    def remember(stages, inflight_tasks, operation_id, done):
        reports.append((len(list(stages or [])), inflight_tasks, done, operation_id))

    spark.registerProgressHandler(remember)
    total = spark.range(0, 20_000_000, 1, 8).selectExpr("sum(id % 7 ^ 3) s").collect()[0].s
    spark.removeProgressHandler(remember)
    told = len(reports)
    spark.range(10).count()
    return {"sum": total, "told": told > 0, "stages": any(r[0] for r in reports), "done": reports[-1][2],
            "one_operation": len({r[3] for r in reports}) == 1, "quiet_when_removed": len(reports) == told}


# --- sessions ---------------------------------------------------------------------------------------------------


@case
def second_session(side):
    """two sessions know nothing of each other"""
    one, two = side.session(), side.session()
    one.range(3).createOrReplaceTempView("only_here")
    one.conf.set("spark.sql.shuffle.partitions", "17")
    fresh = one.newSession() if hasattr(one, "newSession") else two
    side.sessions.append(fresh)
    return {"differ": len({one.session_id, two.session_id, fresh.session_id}) >= 2, "in_one": one.catalog.tableExists("only_here"),
            "in_two": two.catalog.tableExists("only_here"), "in_fresh": fresh.catalog.tableExists("only_here"),
            "one": one.conf.get("spark.sql.shuffle.partitions"),
            "two": two.conf.get("spark.sql.shuffle.partitions") == fresh.conf.get("spark.sql.shuffle.partitions")}


@case
def clone_session(side):
    """cloneSession() takes views and settings along and is independent from then on"""
    spark = side.session()
    if not hasattr(spark, "cloneSession"):
        raise Skip("this PySpark has no cloneSession()")
    spark.range(4).createOrReplaceTempView("to_be_cloned")
    spark.conf.set("spark.sql.shuffle.partitions", "19")
    clone = spark.cloneSession()
    side.sessions.append(clone)
    clone.range(1).createOrReplaceTempView("only_in_clone")
    named_id = str(uuid.uuid4())
    named = spark.cloneSession(named_id)
    side.sessions.append(named)
    return {"view": clone.table("to_be_cloned").count(), "conf": clone.conf.get("spark.sql.shuffle.partitions"),
            "other": clone.session_id != spark.session_id, "named": named.session_id == named_id,
            "leaks_back": spark.catalog.tableExists("only_in_clone"), "count": named.table("to_be_cloned").count()}


@case
def session_id(side):
    """a session id given in the URL is the server's: a client that comes by the other way finds the same session"""
    chosen = str(uuid.uuid4())
    user = f"user-{uuid.uuid4().hex[:8]}"
    here = side.session(session_id=chosen, user_id=user)
    here.range(42).createOrReplaceTempView("seen_from_both_sides")
    there = side.session(side.other_url, session_id=chosen, user_id=user)
    stranger = side.session(session_id=chosen, user_id=user + "-2")
    result = {"same": here.session_id == chosen == there.session_id, "seen": there.table("seen_from_both_sides").count(),
              "other_user": stranger.catalog.tableExists("seen_from_both_sides")}
    side.sessions.remove(there)  # one end is enough
    return result


@case
def reconnect(side):
    """after stop() the old session is closed and a new one works"""
    first = side.session()
    first.range(3).createOrReplaceTempView("gone")
    old = first.session_id
    first.stop()
    second = side.session()
    try:
        closed = str(first.range(1).count())
    except Exception as error:  # grpc or PySpark, by version
        closed = type(error).__name__
    fixed = str(uuid.uuid4())
    ended = side.session(session_id=fixed)
    ended.range(1).count()
    ended.stop()
    again = error_of(lambda: side.session(session_id=fixed).range(1).count())
    return {"stopped": first.is_stopped, "new": second.session_id != old, "count": second.range(5).count(),
            "gone": second.catalog.tableExists("gone"), "closed": closed, "id_is_used_up": again.getCondition()}


@case
def client_token(side):
    """a token of the client's own is not what reaches the server"""
    if not side.is_proxied:
        return {"count": side.session().range(7).count()}
    return {"count": side.session(token="made-up-by-the-client").range(7).count()}


@case
def threads_in_one_session(side):
    """twelve threads, one session, one connection"""
    spark = side.session()

    def work(number):
        return spark.range(20_000).selectExpr(f"id * {number} AS v").toPandas()["v"].sum().item()

    with ThreadPoolExecutor(12) as pool:
        return list(pool.map(work, range(24)))


@case
def sixteen_clients(side):
    """sixteen sessions at once, each on its own connection and with its own data"""
    ready = threading.Barrier(16)

    def work(number):
        spark = side.session(user_id=f"user{number}")
        ready.wait(WAIT)
        spark.range(number).createOrReplaceTempView("mine")
        rows = spark.range(0, 50_000, 1, 2).selectExpr(f"id + {number} AS v", "concat('x', id) AS s").collect()
        sent = spark.createDataFrame([(number, "y" * 10_000)] * 20, "n int, t string")
        return [spark.table("mine").count(), sum(row.v for row in rows), rows[-1].s,
                sent.selectExpr("sum(n) + sum(length(t))").collect()[0][0]]

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(work, range(16)))


@case
def two_servers(side):
    """two profiles at once lead to two servers with tokens of their own"""
    if not side.second_url:
        raise Skip("no second server was named")
    one, two = side.session(), side.session(side.second_url)
    one.range(11).createOrReplaceGlobalTempView("server_mark")
    two.range(22).createOrReplaceGlobalTempView("server_mark")

    def work(spark, rows):
        spark.sql(f"SELECT sum(id) FROM range({rows})").collect()
        return spark.table("global_temp.server_mark").count(), spark.range(rows).toPandas()["id"].sum().item()

    with ThreadPoolExecutor(2) as pool:
        a = [pool.submit(work, one, 100_000), pool.submit(work, two, 200_000)]
        return [future.result(WAIT) for future in a]


# --- streams and models -----------------------------------------------------------------------------------------


@case
def streaming_query(side):
    """a streaming query from files into memory, until all is read"""
    spark = side.session()
    name = f"matrix_sink_{uuid.uuid4().hex[:8]}"
    table = f"matrix_source_{uuid.uuid4().hex[:8]}"
    try:
        spark.range(0, 1000, 1, 4).write.format("parquet").saveAsTable(table)
        query = (spark.readStream.table(table).where("id % 2 = 0").writeStream.format("memory").queryName(name)
                 .outputMode("append").trigger(availableNow=True).start())
        ended = query.awaitTermination(WAIT)
        rows = spark.table(name).agg({"id": "sum", "*": "count"}).collect()[0]
        return {"ended": ended, "active": query.isActive, "name": query.name == name, "rows": sorted(rows),
                "failure": query.exception(), "read": sum(progress.numInputRows for progress in query.recentProgress)}
    finally:
        spark.sql(f"DROP TABLE IF EXISTS {table}")


@case
def streaming_listener(side):
    """a rate source, and a listener that hears of start, progress and end on a stream of its own"""
    from pyspark.sql.streaming import StreamingQueryListener

    heard = {"started": threading.Event(), "progress": threading.Event(), "terminated": threading.Event()}

    class Listener(StreamingQueryListener):
        def onQueryStarted(self, event):
            heard["started"].set()

        def onQueryProgress(self, event):
            if event.progress.numInputRows > 0:
                heard["progress"].set()

        def onQueryIdle(self, event):
            pass

        def onQueryTerminated(self, event):
            heard["terminated"].set()

    spark = side.session()
    listener = Listener()
    spark.streams.addListener(listener)
    query = (spark.readStream.format("rate").option("rowsPerSecond", 50).load().writeStream.format("noop").start())
    came = {name: heard[name].wait(WAIT) for name in ("started", "progress")}
    listed = [q.id for q in spark.streams.active] == [query.id]
    query.stop()
    came["terminated"] = heard["terminated"].wait(WAIT)
    spark.streams.removeListener(listener)
    return {**came, "listed": listed, "active": query.isActive}


@case
def streaming_foreach_batch(side):
    """foreachBatch: a Python function on the server that is itself a client there"""
    spark = side.session()
    table = f"matrix_batches_{uuid.uuid4().hex[:8]}"

    def keep(batch, number):
        batch.selectExpr("id").write.mode("append").saveAsTable(f"{table}_out")

    try:
        spark.range(100).write.saveAsTable(table)
        query = spark.readStream.table(table).writeStream.foreachBatch(keep).trigger(availableNow=True).start()
        ended = query.awaitTermination(WAIT)
        return {"ended": ended, "failure": query.exception(), "sum": spark.table(f"{table}_out").agg({"id": "sum"}).collect()[0][0]}
    finally:
        spark.sql(f"DROP TABLE IF EXISTS {table}")
        spark.sql(f"DROP TABLE IF EXISTS {table}_out")


@case
def ml_fit(side):
    """fit and apply a logistic regression"""
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.feature import VectorAssembler

    spark = side.session()
    frame = spark.range(200).selectExpr("cast(id AS double) x", "cast(id % 7 AS double) y", "cast(id > 99 AS int) label")
    data = VectorAssembler(inputCols=["x", "y"], outputCol="features").transform(frame)
    model = LogisticRegression(maxIter=5).fit(data)
    predicted = model.transform(data).agg(expr("sum(if(prediction = label, 1, 0)) AS right")).collect()[0]
    return {"right": predicted["right"], "coefficients": [round(c, 6) for c in model.coefficients],
            "intercept": round(model.intercept, 6)}


@case
def observation(side):
    """metrics observed on the way, and a checkpoint that the server keeps"""
    from pyspark.sql import Observation

    spark = side.session()
    watched = Observation("watched")
    rows = spark.range(500).observe(watched, expr("sum(id) AS total"), expr("count(*) AS n")).where("id > 490").collect()
    kept = spark.range(50).localCheckpoint()
    return {"rows": len(rows), "observed": watched.get, "kept": kept.where(col("id") > 40).count()}
