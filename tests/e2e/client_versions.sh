# Which lines of PySpark clients there are to test with. Sourced after lib.sh.
# shellcheck shell=bash
# shellcheck disable=SC2034  # read by the scripts that source it

# NAME followed by what pip is to install; one virtual environment each below build/venvs.
CLIENTS=(
    "pyspark-client-4.0 pyspark-client==4.0.* pandas<3 protobuf<7"
    "pyspark-client-4.1 pyspark-client==4.1.* pandas<3"
    "pyspark-client-4.2 pyspark-client==4.2.* pandas<3"
    "pyspark-client-4.3 pyspark-client==4.3.* pandas<3"
    "pyspark-3.5 pyspark[connect]==3.5.* pandas<2.3 numpy<2 pyarrow<19 setuptools<81 protobuf<6"
)
