"""A list someone acts on."""

import os

# Before BentoML is imported: nothing reports home, no spans, no access log.
for _name, _value in {
    "BENTOML_DO_NOT_TRACK": "True",
    "OTEL_SDK_DISABLED": "true",
    "BENTOML_CONFIG_OPTIONS": "api_server.logging.access.enabled=false",
}.items():
    os.environ.setdefault(_name, _value)
