"""Expression alone, identity alone, and both with each way of weighing them: FER2013 and LFW.

Command: python -m kfer.study pipelines/multitask_study.py --data-dir DIR
    It needs matplotlib: pip install 'kfer[plots]'. Add --report-only to see what is finished so far,
    --only VARIANT to train some alone, --seeds 0,1,2 for intervals over seeds.
Data: DIR/fer2013/archive.zip and DIR/lfw/lfw-deepfunneled.tgz with LFW's pairsDevTest.txt and pairs*.txt;
    docs/datasets.md says where to get them. All is as in pipelines/fer2013_lfw.py: PrivateTest and View
    1's pairs, of people whom nobody trains on, are used once a run, when its training has ended.
Fair: networks of one seed see the same batches, six tenths of them FER2013, the rest LFW; one
    that learns a task alone gets no loss from the other's labels.
Time: a run has as many epochs as pipelines/fer2013_lfw.py, and there are eight. Of its 24, each takes 70
    minutes on one slow core; with --training.epochs 10 it was 20, of gradnorm and pcgrad 28. A study that
    was stopped goes on where it was.
Expect: study_output/multitask_study/study.html, and CSV files and pictures beside it; docs/multitask.md
    has those of a run, and says what they mean.
"""

import dataclasses
from pathlib import Path

from kfer.pipeline.config import load_settings
from kfer.settings import EvaluationSettings, PipelineSettings, TuningSettings
from kfer.study import ONE_TASK_OR_BOTH, StudySettings

pipeline: PipelineSettings = load_settings(Path(__file__).with_name("fer2013_lfw.py"))

settings = StudySettings(
    name="multitask_study",
    base=dataclasses.replace(
        pipeline,
        name="multitask_study",
        tuning=TuningSettings(trials=0),
        evaluation=EvaluationSettings(),
    ),
    variants=ONE_TASK_OR_BOTH,
    seeds=(0,),
)
