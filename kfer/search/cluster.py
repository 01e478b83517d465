"""A search of several processes: a chief, who says what is tried, and workers, who try it.

They speak Keras Tuner's own protocol, on one machine or several that see the same folder.
"""

import logging
import os
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

import grpc
import keras_tuner
from keras_tuner.engine import trial as keras_tuner_trial
from keras_tuner.src import protos
from keras_tuner.src.distribute import oracle_chief, oracle_client

Status = keras_tuner_trial.TrialStatus
_WORKER, _SESSION = "kfer-worker", "kfer-session"
_POLL_S = 0.2
_BEATS = 4  # signs of life in the time after which a worker counts as dead
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cluster:
    """Who this process is.

    Attributes:
        address: Where the chief is, "host:port".
        worker: The worker's name, which no other has; empty for the chief.
        worker_timeout_s: A worker that the chief hears nothing of for so long has died.
        chief_timeout_s: So long a worker waits for the chief's answer.
    """

    address: str
    worker: str = ""
    worker_timeout_s: float = 60.0
    chief_timeout_s: float = 900.0


class _Caller(NamedTuple):
    worker: str
    session: str


class _Servicer(oracle_chief.OracleServicer):
    """Keras Tuner's, which also knows who is alive, and lets nobody go while a trial may come back."""

    def __init__(self, oracle: keras_tuner.Oracle, timeout_s: float) -> None:
        super().__init__(oracle)
        self._timeout_s = timeout_s
        self._lock = threading.RLock()
        # By worker: of which process, and when it was heard last.
        self._heard: dict[str, tuple[str, float]] = {}

    def CreateTrial(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        caller = _caller(context)
        with self._lock:
            if caller.worker not in self._heard:
                _log.info("worker %s joins", caller.worker)
            # A worker that was started anew takes the place, and the trial, of the one before it.
            self._heard[caller.worker] = caller.session, time.monotonic()
            response = super().CreateTrial(request, context)
            status = response.trial.status
            if status != Status.to_proto(Status.STOPPED):
                return response
            if self.oracle.ongoing_trials:
                # Whoever runs the last trials may die, and somebody must be there to take them.
                self.stop_triggered = False
                response.trial.status = Status.to_proto(Status.IDLE)
            else:
                del self._heard[caller.worker]
            return response

    def GetTrial(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Also a worker's sign of life."""
        with self._lock:
            self._check(request.trial_id, context)
            return super().GetTrial(request, context)

    def UpdateTrial(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        with self._lock:
            self._check(request.trial_id, context)
            return super().UpdateTrial(request, context)

    def EndTrial(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        with self._lock:
            self._check(request.trial.trial_id, context)
            trial = keras_tuner_trial.Trial.from_proto(request.trial)
            if trial.status == Status.RUNNING:
                self._give_back(_caller(context).worker, "leaves")
            else:
                # Numbers lost digits on their way to the worker.
                trial.hyperparameters = self.oracle.trials[trial.trial_id].hyperparameters
                self.oracle.end_trial(trial)
            return protos.get_service().EndTrialResponse()

    def _check(self, trial_id: str, context: grpc.ServicerContext) -> None:
        caller = _caller(context)
        own = self.oracle.ongoing_trials.get(caller.worker)
        if self._heard.get(caller.worker, ("",))[0] != caller.session:
            self._refuse(context, f"another process has joined as worker {caller.worker}, or it was")
        if own is None or own.trial_id != trial_id:
            self._refuse(context, f"trial {int(trial_id) + 1} went to another worker: this one was")
        self._heard[caller.worker] = caller.session, time.monotonic()

    def _refuse(self, context: grpc.ServicerContext, reason: str) -> NoReturn:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{reason} silent for {self._timeout_s:g} s")
        raise AssertionError  # abort raises

    def give_back_of_the_dead(self) -> None:
        """Gives the trials of workers that died to others."""
        with self._lock:
            now = time.monotonic()
            for worker, (_, heard) in list(self._heard.items()):
                if now - heard > self._timeout_s:
                    self._give_back(worker, f"has said nothing for {self._timeout_s:g} s")

    def _give_back(self, worker: str, reason: str) -> None:
        del self._heard[worker]
        self.oracle.tuner_ids.discard(worker)
        trial = self.oracle.ongoing_trials.pop(worker, None)
        if trial is None:
            _log.warning("worker %s %s", worker, reason)
            return
        self.oracle._retry_queue.append(trial.trial_id)
        self.oracle.save()
        _log.warning("worker %s %s: trial %d waits for another", worker, reason, int(trial.trial_id) + 1)

    def is_finished(self) -> bool:
        """Whether all trials have ended, and every worker that is alive knows it."""
        with self._lock:
            if self._heard or self.oracle.ongoing_trials:
                return False
            return self.stop_triggered or is_complete(self.oracle)


def is_complete(oracle: keras_tuner.Oracle) -> bool:
    """Returns whether there are as many trials as asked for, and none has to run."""
    statuses = [trial.status for trial in oracle.trials.values()]
    return len(statuses) >= oracle.max_trials and Status.RUNNING not in statuses


def serve(oracle: keras_tuner.Oracle, cluster: Cluster, check: Callable[[], None] = lambda: None) -> None:
    """Serves workers until all trials have ended.

    Args:
        oracle: Who says what is tried.
        cluster: Of the chief.
        check: Called several times a second; what it raises ends the serving.

    Raises:
        OSError: The address cannot be listened at.
    """
    servicer = _Servicer(oracle, cluster.worker_timeout_s)
    # One port is not for two: by default, another chief would get every second worker.
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    protos.get_service_grpc().add_OracleServicer_to_server(servicer, server)
    try:
        port = server.add_insecure_port(cluster.address)
    except RuntimeError:
        port = 0
    if not port:
        raise OSError(
            f"the chief cannot listen at {cluster.address}: expected a name or number of this machine "
            "and a port that is free; give another --address"
        )
    server.start()
    try:
        while not servicer.is_finished():
            check()
            servicer.give_back_of_the_dead()
            time.sleep(_POLL_S)
    finally:
        server.stop(grace=1).wait()


class Client(oracle_client.OracleClient):
    """The chief's oracle, as a worker has it.

    Args:
        oracle: The worker's own, of the same search.
        cluster: Of the worker.
    """

    def __init__(self, oracle: keras_tuner.Oracle, cluster: Cluster) -> None:
        super().__init__(oracle)
        self._cluster = cluster
        session = uuid.uuid4().hex
        signed = _Signed(((_WORKER, cluster.worker), (_SESSION, session)), cluster.chief_timeout_s)
        self.stub = protos.get_service_grpc().OracleStub(
            grpc.intercept_channel(grpc.insecure_channel(cluster.address), signed)
        )

    def create_trial(self, tuner_id: str) -> keras_tuner_trial.Trial:
        """Waits where there is none yet."""
        while True:
            trial = super().create_trial(tuner_id)
            if trial.status != Status.IDLE:
                return trial
            time.sleep(min(1.0, self._cluster.worker_timeout_s / _BEATS))

    def give_back(self, trial: keras_tuner_trial.Trial) -> None:
        """Tells the chief that this worker ends, and that its trial is for another."""
        trial.status = Status.RUNNING
        self.end_trial(trial)

    def keep_alive(self, trial_id: str) -> threading.Event:
        """Tells the chief that a trial runs, until the event that is returned is set.

        Where the chief has given the trial to somebody else this process ends, for two must not write
        into one folder.
        """
        ended = threading.Event()
        threading.Thread(target=self._keep_alive, args=(trial_id, ended), daemon=True).start()
        return ended

    def _keep_alive(self, trial_id: str, ended: threading.Event) -> None:
        while not ended.wait(self._cluster.worker_timeout_s / _BEATS):
            try:
                self.stub.GetTrial(protos.get_service().GetTrialRequest(trial_id=trial_id))
            except grpc.RpcError as error:
                # A chief that is away may come back before the trial ends.
                if error.code() == grpc.StatusCode.FAILED_PRECONDITION and not ended.is_set():
                    _log.error("worker %s ends: %s", self._cluster.worker, error.details())
                    os._exit(1)


def reach(cluster: Cluster, is_done: Callable[[], bool]) -> bool:
    """Waits for the chief, and returns whether it is there; else the search is done.

    Args:
        cluster: Of a worker.
        is_done: Whether the search is done, and its chief has ended.

    Raises:
        ConnectionError: The chief does not answer.
    """
    channel, start, told = grpc.insecure_channel(cluster.address), time.monotonic(), 0
    try:
        ready = grpc.channel_ready_future(channel)
        while (waited := time.monotonic() - start) < cluster.chief_timeout_s:
            try:
                ready.result(timeout=min(1.0, cluster.chief_timeout_s - waited))
                return True
            except grpc.FutureTimeoutError:
                if is_done():
                    return False
            if waited > told:
                _log.info("worker %s waits for the chief at %s", cluster.worker, cluster.address)
                told += 30
    finally:
        channel.close()
    raise ConnectionError(
        f"no chief answers at {cluster.address} within {cluster.chief_timeout_s:g} s; start one there "
        "with --chief, or give its --address"
    )


def lost_chief(error: grpc.RpcError, cluster: Cluster) -> Exception:
    """Returns what an error of a call to the chief means.

    Args:
        error: Of the call.
        cluster: Of the worker.
    """
    if error.code() == grpc.StatusCode.FAILED_PRECONDITION:
        return RuntimeError(f"worker {cluster.worker} ends: {error.details()}")
    return ConnectionError(
        f"the chief at {cluster.address} has not answered for {cluster.chief_timeout_s:g} s "
        f"({error.code().name}); what this worker finished is kept. Start the chief anew, then "
        "this worker"
    )


class _Signed(grpc.UnaryUnaryClientInterceptor):
    """Calls that say who they are from, and that do not wait for ever."""

    def __init__(self, metadata: tuple[tuple[str, str], ...], timeout_s: float) -> None:
        self._metadata, self._timeout_s = metadata, timeout_s

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(_Details(details, self._metadata, self._timeout_s), request)


class _Details(grpc.ClientCallDetails):
    def __init__(self, before: Any, metadata: tuple[tuple[str, str], ...], timeout_s: float) -> None:
        self.method, self.credentials = before.method, before.credentials
        self.compression = getattr(before, "compression", None)
        self.metadata, self.timeout, self.wait_for_ready = metadata, timeout_s, True


def _caller(context: grpc.ServicerContext) -> _Caller:
    sent = dict(context.invocation_metadata())
    return _Caller(sent.get(_WORKER, ""), sent.get(_SESSION, ""))
