"""The registry: plugins and bundles, found through entry points."""
