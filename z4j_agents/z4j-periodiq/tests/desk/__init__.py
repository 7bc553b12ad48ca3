"""A Django app whose actors dramatiq-crontab sends."""
