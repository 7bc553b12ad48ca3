"""The greenhouse of the garden, a Django project with dramatiq-crontab."""
