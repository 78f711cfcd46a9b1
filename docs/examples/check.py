"""Judge a spec and read its report."""

import circuitlang as cl

options = cl.Options(controls=False, battery=False)  # the claims alone, which is quick while one writes
report = cl.check("specs/wrong_on_purpose.cir", options=options)
print(report.spec, report.verdict)
for claim in report.claims:
    print(f"  {claim.name}: {claim.verdict}, {claim.value:.3g}")
print(report.circuits[0])
