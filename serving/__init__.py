"""A list someone acts on."""

import os

# Before BentoML is imported: nothing reports home, no spans are kept.
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
os.environ.setdefault("OTEL_SDK_DISABLED", "true")
