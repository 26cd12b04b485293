#include "auth/azure_cloud.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define APPLICATION         "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"
#define APPLICATION_DEV     "62a912ac-b58e-4c1d-89ea-b2dbfc7358fc"
#define APPLICATION_STAGING "4a67d088-db5c-48f1-9ff2-0aace800ae68"
#define LOGIN               "https://login.microsoftonline.com/"
#define MANAGEMENT          "https://management.core.windows.net/"

/* More special suffixes first. */
static const AzureCloud CLOUDS[] = {
    {"", ".dev.azuredatabricks.net", LOGIN, MANAGEMENT, APPLICATION_DEV},
    {"", ".staging.azuredatabricks.net", LOGIN, MANAGEMENT, APPLICATION_STAGING},
    {"PUBLIC", ".azuredatabricks.net", LOGIN, MANAGEMENT, APPLICATION},
    {"USGOVERNMENT", ".databricks.azure.us", "https://login.microsoftonline.us/",
     "https://management.core.usgovcloudapi.net/", APPLICATION},
    {"CHINA", ".databricks.azure.cn", "https://login.chinacloudapi.cn/",
     "https://management.core.chinacloudapi.cn/", APPLICATION},
};

static bool ends_with(const char *text, const char *suffix)
{
    size_t length = strlen(text), suffix_length = strlen(suffix);
    return length >= suffix_length && strcasecmp(text + length - suffix_length, suffix) == 0;
}

static const AzureCloud *find_environment(const char *environment)
{
    for (size_t i = 0; i < sizeof CLOUDS / sizeof CLOUDS[0]; i++)
        if (*environment && strcasecmp(CLOUDS[i].environment, environment) == 0)
            return &CLOUDS[i];
    return NULL;
}

const AzureCloud *azure_cloud_find(const char *host, const char *environment, bool is_certain)
{
    for (size_t i = 0; i < sizeof CLOUDS / sizeof CLOUDS[0]; i++)
        if (ends_with(host, CLOUDS[i].host_suffix))
            return &CLOUDS[i];
    const AzureCloud *cloud = environment ? find_environment(environment) : NULL;
    return cloud || !is_certain ? cloud : find_environment("PUBLIC");
}
