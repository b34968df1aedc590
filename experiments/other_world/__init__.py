"""A second firm of known truth, with nothing in common with the demo's but the tables it exports.

What is learned of the demo's firms could be learned by heart. Here a deal is a walker, not a set
of hazards: interest strays and comes back, progress drifts with it, and the deal moves on a stage
when it first gets so far; no market moves all deals at once; what is wrong with the export is
written apart, and has other forms.
"""
