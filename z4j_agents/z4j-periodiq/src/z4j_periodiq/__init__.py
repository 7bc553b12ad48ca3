"""z4j's adapters for two schedulers of Dramatiq's actors. Each has a module of its own, since few have both libraries.

periodiq, no code, our module named after yours; or one line where the broker is made:

    periodiq your_app z4j_periodiq.auto
    z4j_periodiq.actors.install(broker)

dramatiq-crontab: with z4j_django in INSTALLED_APPS nothing, otherwise one line where the actors are:

    z4j_periodiq.crontab.install()

Without Z4J_DSN nothing happens.
"""
