"""The files and environments that sdk_config.py combines, and the differences from the SDK that are meant.

In both, @ stands for the home directory of the case.
"""

HOST = "https://dbc-1.cloud.databricks.com"
OTHER = "https://dbc-2.cloud.databricks.com"
AZURE = "https://adb-1.2.azuredatabricks.net"
RESOURCE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Databricks/workspaces/w"


def section(name, **values):
    return "\n".join([f"[{name}]", *(f"{key} = {value}" for key, value in values.items())]) + "\n"


# Each as [dev] and, the same, as [DEFAULT].
PROFILES = {
    "pat": dict(host=HOST, token="file-token"),
    "pat-cluster": dict(host=HOST, token="file-token", cluster_id="file-cluster"),
    "host": dict(host=HOST),
    "bare-host": dict(host="dbc-1.cloud.databricks.com", token="file-token"),
    "host-with-path": dict(host=HOST + "/?o=123", token="file-token"),
    "host-with-slash-and-port": dict(host=HOST + ":443/", token="file-token"),
    "host-in-capitals": dict(host="https://DBC-1.cloud.databricks.com", token="file-token"),
    "no-host": dict(token="file-token"),
    "m2m": dict(host=HOST, client_id="c", client_secret="s", scopes="a, b"),
    "client-id-only": dict(host=HOST, client_id="c"),
    "client-secret-only": dict(host=HOST, client_secret="s"),
    "cli": dict(host=HOST, auth_type="databricks-cli", cluster_id="file-cluster"),
    "cli-beside-token": dict(host=HOST, auth_type="databricks-cli", token="file-token"),
    "forced-pat-without-token": dict(host=HOST, auth_type="pat"),
    "unknown-auth-type": dict(host=HOST, auth_type="kerberos", token="file-token"),
    "two-families": dict(host=HOST, token="file-token", client_id="c", client_secret="s"),
    "two-families-chosen": dict(host=HOST, token="file-token", client_id="c", client_secret="s", auth_type="oauth-m2m"),
    "empty-token": dict(host=HOST, token="", client_id="c", client_secret="s"),
    "basic": dict(host=HOST, username="u", password="p"),
    "serverless": dict(host=HOST, token="file-token", serverless_compute_id="auto"),
    "serverless-and-cluster": dict(host=HOST, token="file-token", serverless_compute_id="auto", cluster_id="file-cluster"),
    "metadata": dict(host=HOST, metadata_service_url="http://localhost:9/secret"),
    "file-oidc": dict(host=HOST, oidc_token_filepath="@/jwt"),
    "env-oidc": dict(host=HOST, oidc_token_env="MY_JWT"),
    "env-oidc-missing": dict(host=HOST, oidc_token_env="NO_SUCH"),
    "google-credentials": dict(host=HOST, google_credentials="@/google.json"),
    "google-id": dict(host=HOST, google_service_account="a@b"),
    "group": dict(host=HOST, token="file-token", group_id="7"),
    "group-m2m": dict(host=HOST, client_id="c", client_secret="s", group_id="7"),
    "azure-host": dict(host=AZURE),
    "azure-sp": dict(host=AZURE, azure_client_id="c", azure_client_secret="s", azure_tenant_id="t"),
    "azure-tenant": dict(host=AZURE, azure_tenant_id="t"),
    "azure-msi": dict(host=AZURE, azure_use_msi="true"),
    "azure-cli": dict(host=AZURE, auth_type="azure-cli", azure_workspace_resource_id=RESOURCE),
    "azure-resource-only": dict(azure_workspace_resource_id=RESOURCE),
}

FILES = {
    "none": None,
    "empty": "",
    **{f"dev/{name}": section("dev", **values) for name, values in PROFILES.items()},
    **{f"DEFAULT/{name}": section("DEFAULT", **values) for name, values in PROFILES.items()},
    "default_profile": section("__settings__", default_profile="dev") + section("dev", **PROFILES["pat-cluster"]),
    "default_profile-missing": section("__settings__", default_profile="gone") + section("dev", **PROFILES["pat"]),
    "default_profile-reserved": section("__settings__", default_profile="__settings__") + section("dev", **PROFILES["pat"]),
    "DEFAULT-and-dev": section("DEFAULT", host=OTHER, token="default-token", cluster_id="default-cluster")
    + section("dev", **PROFILES["pat"]),
    "DEFAULT-and-empty-dev": section("DEFAULT", **PROFILES["pat"]) + "[dev]\n",
}

DEV = {"DATABRICKS_CONFIG_PROFILE": "dev"}
HERE = {"DATABRICKS_HOST": HOST}
THERE = {"DATABRICKS_HOST": OTHER}
TOKEN = {"DATABRICKS_TOKEN": "variable-token"}
CLUSTER = {"DATABRICKS_CLUSTER_ID": "variable-cluster"}
CLIENT = {"DATABRICKS_CLIENT_ID": "vc", "DATABRICKS_CLIENT_SECRET": "vs"}
ARM = {"ARM_CLIENT_ID": "ac", "ARM_CLIENT_SECRET": "as", "ARM_TENANT_ID": "at"}
GITHUB = {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://github.example/x?y=1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "g"}

ENVIRONMENTS = {
    "nothing": {},
    "dev": DEV,
    "nobody": {"DATABRICKS_CONFIG_PROFILE": "nobody"},
    "reserved": {"DATABRICKS_CONFIG_PROFILE": "__settings__"},
    "host": THERE,
    "host-token": THERE | TOKEN,
    "host-token-cluster": THERE | TOKEN | CLUSTER,
    "token": TOKEN,
    "cluster": CLUSTER,
    "username": {"DATABRICKS_USERNAME": "u"},
    "tenant": {"ARM_TENANT_ID": "t"},
    "empty": {"DATABRICKS_HOST": "", "DATABRICKS_TOKEN": "", "DATABRICKS_CONFIG_PROFILE": ""},
    "account": {"DATABRICKS_ACCOUNT_ID": "a"},
    "auth-type": {"DATABRICKS_AUTH_TYPE": "databricks-cli"},
    "dev+host": DEV | THERE,
    "dev+same-host": DEV | HERE,
    "dev+token": DEV | TOKEN,
    "dev+host-token": DEV | THERE | TOKEN,
    "dev+same-host-token": DEV | HERE | TOKEN,
    "dev+cluster": DEV | CLUSTER,
    "dev+auth-type-pat": DEV | {"DATABRICKS_AUTH_TYPE": "pat"},
    "dev+auth-type-cli": DEV | {"DATABRICKS_AUTH_TYPE": "databricks-cli"},
    "dev+client": DEV | CLIENT,
    "dev+tenant": DEV | {"ARM_TENANT_ID": "t"},
    "dev+serverless": DEV | {"DATABRICKS_SERVERLESS_COMPUTE_ID": "auto"},
    "dev+jwt": DEV | {"DATABRICKS_OIDC_TOKEN": "j", "DATABRICKS_CLIENT_ID": "c"},
    "host-client": THERE | CLIENT,
    "host-client-token": THERE | CLIENT | TOKEN,
    "host-client-token-type": THERE | CLIENT | TOKEN | {"DATABRICKS_AUTH_TYPE": "oauth-m2m"},
    "host-arm": THERE | ARM,
    "azure-arm": {"DATABRICKS_HOST": AZURE} | ARM,
    "azure-token-arm": {"DATABRICKS_HOST": AZURE} | TOKEN | ARM,
    "azure-msi": {"DATABRICKS_HOST": AZURE, "ARM_USE_MSI": "true"},
    "azure-token-msi-false": {"DATABRICKS_HOST": AZURE, "ARM_USE_MSI": "false"} | TOKEN,
    "azure-msi-false": {"DATABRICKS_HOST": AZURE, "ARM_USE_MSI": "false"},
    "azure-host": {"DATABRICKS_HOST": AZURE},
    "host-jwt": THERE | {"DATABRICKS_OIDC_TOKEN": "j"},
    "host-jwt-env": THERE | {"DATABRICKS_OIDC_TOKEN_ENV": "MY_JWT"},
    "host-jwt-file": THERE | {"DATABRICKS_OIDC_TOKEN_FILEPATH": "@/jwt"},
    "host-jwt-old-file": THERE | {"DATABRICKS_OIDC_TOKEN_FILE": "@/jwt"},
    "host-jwt-file-client": THERE | {"DATABRICKS_OIDC_TOKEN_FILEPATH": "@/jwt", "DATABRICKS_CLIENT_ID": "c"},
    "github": THERE | GITHUB | {"DATABRICKS_CLIENT_ID": "c"},
    "github-type": THERE | GITHUB | {"DATABRICKS_CLIENT_ID": "c", "DATABRICKS_AUTH_TYPE": "github-oidc"},
    "metadata": THERE | {"DATABRICKS_METADATA_SERVICE_URL": "http://localhost:9/secret"},
    "google": THERE | {"GOOGLE_CREDENTIALS": "@/google.json"},
    "google-id": THERE | {"DATABRICKS_GOOGLE_SERVICE_ACCOUNT": "a@b"},
    "group": THERE | TOKEN | {"DATABRICKS_GROUP_ID": "7"},
    "basic": THERE | {"DATABRICKS_USERNAME": "u", "DATABRICKS_PASSWORD": "p"},
    "basic-type": THERE | {"DATABRICKS_AUTH_TYPE": "basic"},
    "other-file": {"DATABRICKS_CONFIG_FILE": "@/other"},
    "missing-file": {"DATABRICKS_CONFIG_FILE": "@/no-such-file", "DATABRICKS_CONFIG_PROFILE": "dev"} | THERE | TOKEN,
    "missing-file-alone": {"DATABRICKS_CONFIG_FILE": "@/no-such-file", "DATABRICKS_CONFIG_PROFILE": "dev"},
}

# Which of the command lines are in PATH.
TOOLS = {"databricks+az": ("databricks", "az"), "databricks": ("databricks",), "az": ("az",), "no-tools": ()}


# Each takes what the SDK and what the daemon found (Found in sdk_config.py), and the case.
def is_mixture(case):
    """Whether a secret comes from variables and the host from a file, or the other way round."""
    variables = ENVIRONMENTS[case.environment]
    host = variables.get("DATABRICKS_HOST")
    secrets = ("DATABRICKS_TOKEN", "DATABRICKS_CLIENT_SECRET", "DATABRICKS_OIDC_TOKEN")
    profile = FILES[case.file].split("[dev]")[-1]
    return not host and any(name in variables for name in secrets) or host and host + "\n" not in profile


def secret_of_another_host(sdk, ours, case):
    """A secret goes only to the host that it was written beside."""
    return ours.error == "moved secret" and sdk.error is None and is_mixture(case)


def cli_before_cloud(sdk, ours, _case):
    """A login to this very workspace says more than one to the cloud, so databricks-cli is tried before azure-cli, as in Go."""
    return sdk.auth_type == "azure-cli" and ours.auth_type == "databricks-cli" and ours.host == AZURE and ours.rest_equals(sdk)


def managed_identity(sdk, ours, _case):
    """azure-msi is in Go's SDK alone."""
    return ours.auth_type == "azure-msi" and (sdk.error or sdk.auth_type) in ("not configured", "azure-cli", "databricks-cli")


def no_is_no(sdk, ours, case):
    """ARM_USE_MSI=false is an attribute that is set to Python."""
    return case.environment == "azure-token-msi-false" and sdk.error == "more than one" and ours.auth_type == "pat"


def empty_is_none(sdk, ours, case):
    """An empty value in a file is none, as in Go; to Python it is of a family."""
    return case.file.endswith("empty-token") and sdk.error == "more than one" and ours.error != "more than one"


def path_of_host(sdk, ours, case):
    """Path and query are no part of a host, as in Go."""
    return case.file.endswith("host-with-path") and sdk.host == HOST + "?o=123" and ours.host == HOST


def case_of_host(sdk, ours, case):
    """Names of hosts are compared, and so have one spelling."""
    return case.file.endswith("host-in-capitals") and sdk.host and sdk.host.lower() == ours.host


def no_passwords(sdk, ours, _case):
    """Databricks has ended logins by password."""
    return (sdk.auth_type == "basic" or sdk.error == "not configured") and ours.error == "refused"


def compute_twice(sdk, ours, _case):
    """A cluster and serverless at once say nothing; Config leaves that to its users."""
    return ours.error == "cluster and serverless" and bool(sdk.cluster_id) and bool(sdk.serverless)


def only_profile(sdk, ours, case):
    """The only profile there is is the default one; Config asks for its name."""
    return case.file.startswith("dev/") and sdk.error == "not configured" and ours.profile == "dev" and not case.is_named


def half_of_a_pair(sdk, ours, _case):
    """A secret without its id is a slip, which Config passes over to whatever comes next."""
    return ours.error == "half" and sdk.error in (None, "not configured", "moved secret")


def missing_variable(sdk, ours, case):
    """oidc_token_env with no such variable is a slip, which Config passes over to whatever comes next."""
    return ours.error == "no variable" and case.file.endswith("env-oidc-missing")


def azure_secret_elsewhere(sdk, ours, _case):
    """azure-client-secret is for Azure, as in Go; Python breaks on other hosts."""
    return ours.error == "not azure" and sdk.error in ("failed", None)


def empty_section(sdk, ours, case):
    """A section without keys is no profile, as in Go."""
    return case.file == "DEFAULT-and-empty-dev" and ours.error == "no profile"


def azure_without_host(sdk, ours, _case):
    """azure_workspace_resource_id alone would have to be looked up; a host is asked for instead."""
    return ours.error == "no host" and (sdk.host is not None and AZURE.split("//")[1] in sdk.host)


def azure_by_resource_id(sdk, ours, case):
    """azure_workspace_resource_id says that a workspace is on Azure, as in Go; Python goes by the host's name."""
    return "azure" in case.file and ours.auth_type == "azure-cli" and sdk.auth_type in (None, "databricks-cli")


def configured_before_found(sdk, ours, _case):
    """What is configured is used, and not who happens to be logged in to the CLI, which both SDKs try before Google's ways."""
    return sdk.auth_type == "databricks-cli" and ours.auth_type in ("google-credentials", "google-id") and ours.rest_equals(sdk)


def host_first(sdk, ours, _case):
    """That there is no host is told before what is wrong with the login."""
    return ours.error == "no host" and sdk.error == "more than one"


def name_without_file(sdk, ours, case):
    """A named profile that no file has is told as such, also when there is no file."""
    return case.is_named and ours.error == "no profile" and sdk.error == "not configured"


def unknown_type_first(sdk, ours, _case):
    """An auth type that nobody knows is told as such, as in Go."""
    return ours.error == "unknown type" and sdk.error == "not configured"


DIFFERENCES = [
    secret_of_another_host,
    cli_before_cloud,
    managed_identity,
    no_is_no,
    empty_is_none,
    path_of_host,
    case_of_host,
    no_passwords,
    compute_twice,
    only_profile,
    half_of_a_pair,
    missing_variable,
    azure_secret_elsewhere,
    empty_section,
    azure_without_host,
    azure_by_resource_id,
    configured_before_found,
    host_first,
    name_without_file,
    unknown_type_first,
]
