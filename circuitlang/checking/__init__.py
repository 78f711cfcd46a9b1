"""The main job: A SPEC -> ITS REPORT."""
