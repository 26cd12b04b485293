"""A client of the daemon's metadata service that we did not write: databricks-sdk, logged in by nothing else.

    metadata_sdk.py METADATA_URL WORKSPACE_URL     prints who the workspace says it is
"""

import sys

from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config

config = Config(host=sys.argv[2], metadata_service_url=sys.argv[1], auth_type="metadata-service",
                http_timeout_seconds=5, retry_timeout_seconds=5)
print(config.auth_type, WorkspaceClient(config=config).current_user.me().user_name)
