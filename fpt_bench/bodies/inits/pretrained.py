"""Language itself, or whatever the body was pretrained on."""

from fpt_bench.bodies.inits.blueprint import Blueprint, Initialized


def pretrained(plan: Blueprint) -> Initialized:
    """The weights that pretraining left."""
    model = plan.files.load(plan.config, plan.attention, plan.offline)
    return Initialized(model, plan.files.source, plan.files.fingerprint(plan.config))
