"""What every adapter must prove. An adapter's own tests supply only construction, and inherit the suites.

`traces` holds the golden traces: what an engine's life of a task looks like as events, and the row it folds to.
`engines.EngineSuite` drives a real engine. Needs pytest, which the package itself does not.
"""
