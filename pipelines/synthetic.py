"""The embedded default, as a settings file to start from: faces that kfer draws itself.

Command: python -m kfer.pipeline pipelines/synthetic.py (the same as without a file)
Time: about 3 minutes on 2 slow cores. Memory: 1.1 GB.
Expect: expression accuracy above 0.95, verification accuracy above 0.90 on people not trained on.
"""

from kfer.settings import PipelineSettings

settings = PipelineSettings()
