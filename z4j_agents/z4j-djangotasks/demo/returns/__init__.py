"""The shop's returns desk: a Django project whose tasks are Django's own, kept in its database."""
