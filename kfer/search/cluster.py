"""A search of several processes: a chief, who says what is tried, and workers, who try it.

They speak Keras Tuner's own protocol, on one machine or several that see the same folder.
"""

import contextlib
import functools
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import grpc
import keras_tuner
from keras_tuner.engine import trial as keras_tuner_trial
from keras_tuner.src import protos
from keras_tuner.src.distribute import oracle_chief, oracle_client

from kfer.settings.checks import check as check_setting

Status = keras_tuner_trial.TrialStatus
_WORKER, _SESSION = "kfer-worker", "kfer-session"
_POLL_S, _STALL_S, _CALL_S = 0.2, 2.0, 30.0
T = TypeVar("T")
_BEATS = 4  # signs of life in the time after which a worker counts as dead
#: What calls end with while there is no chief.
_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cluster:
    """Who this process is.

    Attributes:
        address: Where the chief is, "host:port".
        worker: The worker's name, which no other has; empty for the chief.
        worker_timeout_s: A worker that the chief hears nothing of for so long has died.
        chief_timeout_s: So long a worker waits for the chief's answer.
        others_join: Of a chief: whether workers may be at work already, for a chief before it that died.
    """

    address: str
    worker: str = ""
    worker_timeout_s: float = 60.0
    chief_timeout_s: float = 900.0
    others_join: bool = False

    def __post_init__(self) -> None:
        name = self.worker.translate(str.maketrans("", "", "-_."))
        check_setting(
            not self.worker or (name.isalnum() and name.isascii()),
            "worker",
            "a name of letters, digits, -, _ and .",
            self.worker,
        )


class _Caller(NamedTuple):
    worker: str
    session: str


class _RefusedError(Exception):
    """A call of a worker that has lost its place."""


def _guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    """Lets one call in at a time; an error ends the serving, and not only the call."""

    @functools.wraps(method)
    def call(self: "_Servicer", request: Any, context: grpc.ServicerContext) -> Any:
        code, message = grpc.StatusCode.INTERNAL, "the chief ends"
        with self._lock:
            try:
                if self.failure is None:
                    return method(self, request, context)
            except _RefusedError as error:
                code, message = grpc.StatusCode.FAILED_PRECONDITION, str(error)
            except Exception as error:
                self.failure, message = error, f"{type(error).__name__}: {error}"
        context.abort(code, message)
        raise AssertionError  # abort raises

    return call


class _Servicer(oracle_chief.OracleServicer):
    """Keras Tuner's, which also knows who is alive, and lets nobody go while a trial may come back."""

    def __init__(self, oracle: keras_tuner.Oracle, cluster: Cluster) -> None:
        super().__init__(oracle)
        self._timeout_s = cluster.worker_timeout_s
        self._lock = threading.RLock()
        # Whoever runs a trial of a chief that died will say so by then.
        grace_s = self._timeout_s / 2 if cluster.others_join else 0.0
        self._end_of_grace = time.monotonic() + grace_s
        # By worker: of which process, and when it was heard last.
        self._heard: dict[str, tuple[str, float]] = {}
        self._looked = time.monotonic()
        #: What went wrong in a call; Keras Tuner's oracle is of no use after it.
        self.failure: Exception | None = None

    @_guarded
    def CreateTrial(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        caller = _caller(context)
        if caller.worker not in self._heard:
            _log.info("worker %s joins", caller.worker)
        # A worker that was started anew takes the place, and the trial, of the one before it.
        self._heard[caller.worker] = caller.session, time.monotonic()
        if self.oracle._retry_queue and time.monotonic() < self._end_of_grace:
            idle = keras_tuner_trial.Trial(self.oracle.get_space(), "", Status.IDLE)
            return protos.get_service().CreateTrialResponse(trial=idle.to_proto())
        response = super().CreateTrial(request, context)
        if response.trial.status != Status.to_proto(Status.STOPPED):
            return response
        if self.oracle.ongoing_trials:
            # Whoever runs the last trials may die, and somebody must be there to take them.
            self.stop_triggered = False
            response.trial.status = Status.to_proto(Status.IDLE)
        else:
            del self._heard[caller.worker]
        return response

    @_guarded
    def GetTrial(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Also a worker's sign of life."""
        self._check(request.trial_id, context)
        return super().GetTrial(request, context)

    @_guarded
    def UpdateTrial(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self._check(request.trial_id, context)
        return super().UpdateTrial(request, context)

    @_guarded
    def EndTrial(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        trial = keras_tuner_trial.Trial.from_proto(request.trial)
        known = self.oracle.trials[trial.trial_id]
        # A worker that did not hear the answer asks again.
        if known.status == Status.RUNNING:
            self._check(trial.trial_id, context)
            if trial.status == Status.RUNNING:
                self._give_back(_caller(context).worker, "leaves")
            else:
                # Numbers lost digits on their way to the worker.
                trial.hyperparameters = known.hyperparameters
                self.oracle.end_trial(trial)
                self.oracle.save()  # Keras Tuner did, before it knew that the trial runs no more.
        return protos.get_service().EndTrialResponse()

    def _check(self, trial_id: str, context: grpc.ServicerContext) -> None:
        caller, oracle = _caller(context), self.oracle
        if caller.worker not in self._heard and trial_id in oracle._retry_queue:
            # It slept, or worked for a chief that died, and nobody took its trial meanwhile.
            _log.info("worker %s goes on with trial %s", caller.worker, trial_id)
            oracle._retry_queue.remove(trial_id)
            oracle.tuner_ids.add(caller.worker)
            oracle.ongoing_trials[caller.worker] = oracle.trials[trial_id]
            oracle.save()
        elif self._heard.get(caller.worker, (caller.session,))[0] != caller.session:
            raise _RefusedError(f"another process has joined as worker {caller.worker}")
        own = oracle.ongoing_trials.get(caller.worker)
        if own is None or own.trial_id != trial_id:
            raise _RefusedError(
                f"it was silent for {self._timeout_s:g} s, and trial {trial_id} went to another"
            )
        self._heard[caller.worker] = caller.session, time.monotonic()

    def give_back_of_the_dead(self) -> None:
        """Gives the trials of workers that died to others."""
        with self._lock:
            now = time.monotonic()
            stalled = now - self._looked > _STALL_S
            self._looked = now
            if stalled:  # Nobody could be heard meanwhile.
                self._heard = {worker: (session, now) for worker, (session, _) in self._heard.items()}
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
        _log.warning("worker %s %s: trial %s waits for another", worker, reason, trial.trial_id)

    def is_finished(self) -> bool:
        """Whether all trials have ended, and every worker that is alive knows it."""
        with self._lock:
            if self._heard or self.oracle.ongoing_trials:
                return False
            enough = len(self.oracle.trials) >= self.oracle.max_trials and not has_to_run(self.oracle)
            return self.stop_triggered or enough


def has_to_run(oracle: keras_tuner.Oracle) -> bool:
    """Returns whether a trial of those that there are has not ended."""
    return any(trial.status == Status.RUNNING for trial in oracle.trials.values())


def serve(oracle: keras_tuner.Oracle, cluster: Cluster, check: Callable[[], None] = lambda: None) -> None:
    """Serves workers until all trials have ended.

    Args:
        oracle: Who says what is tried.
        cluster: Of the chief.
        check: Called several times a second; what it raises ends the serving.

    Raises:
        OSError: The address cannot be listened at.
    """
    servicer = _Servicer(oracle, cluster)
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
            if servicer.failure is not None:
                raise servicer.failure
            check()
            servicer.give_back_of_the_dead()
            time.sleep(_POLL_S)
    finally:
        server.stop(grace=1).wait()


class SearchDoneError(Exception):
    """The chief has ended, for the search is done."""


class Client(oracle_client.OracleClient):
    """The chief's oracle, as a worker has it.

    Args:
        oracle: The worker's own, of the same search.
        cluster: Of the worker.
        is_done: Whether the search is done, and its chief has ended.
    """

    def __init__(self, oracle: keras_tuner.Oracle, cluster: Cluster, is_done: Callable[[], bool]) -> None:
        super().__init__(oracle)
        self._cluster, self._is_done = cluster, is_done
        signed = _Signed(((_WORKER, cluster.worker), (_SESSION, uuid.uuid4().hex)))
        # A chief that is back is to be noticed soon.
        channel = grpc.insecure_channel(cluster.address, [("grpc.max_reconnect_backoff_ms", 2000)])
        self.stub = protos.get_service_grpc().OracleStub(grpc.intercept_channel(channel, signed))

    def create_trial(self, tuner_id: str) -> keras_tuner_trial.Trial:
        """Waits where there is none yet."""
        while True:
            trial = self._patiently(lambda: super(Client, self).create_trial(tuner_id))
            if trial.status != Status.IDLE:
                return trial
            time.sleep(min(1.0, self._cluster.worker_timeout_s / _BEATS))

    def give_back(self, trial: keras_tuner_trial.Trial) -> None:
        """Tells the chief, if it is there, that this worker ends, and that its trial is for another."""
        trial.status = Status.RUNNING
        with contextlib.suppress(grpc.RpcError):
            self.stub.EndTrial(protos.get_service().EndTrialRequest(trial=trial.to_proto()), timeout=5)

    def update_trial(
        self, trial_id: str, metrics: dict[str, float], step: int = 0
    ) -> keras_tuner_trial.Trial:
        """As Keras Tuner's; a chief that is away may come back."""
        return self._patiently(lambda: super(Client, self).update_trial(trial_id, metrics, step))

    def get_trial(self, trial_id: str) -> keras_tuner_trial.Trial:
        """Likewise."""
        return self._patiently(lambda: super(Client, self).get_trial(trial_id))

    def end_trial(self, trial: keras_tuner_trial.Trial) -> None:
        """Likewise."""
        self._patiently(lambda: super(Client, self).end_trial(trial))

    def _patiently(self, call: Callable[[], T]) -> T:
        start = time.monotonic()
        while True:
            try:
                return call()
            except grpc.RpcError as error:
                if error.code() not in _AWAY:
                    raise
                if self._is_done():
                    raise SearchDoneError from error
                if time.monotonic() - start > self._cluster.chief_timeout_s:
                    raise
                time.sleep(_POLL_S)

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
                request = protos.get_service().GetTrialRequest(trial_id=trial_id)
                self.stub.GetTrial(request, timeout=self._cluster.worker_timeout_s / _BEATS)
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
    """Calls that say who they are from, and that do not wait for an hour."""

    def __init__(self, metadata: tuple[tuple[str, str], ...]) -> None:
        self._metadata = metadata

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(_Details(details, self._metadata), request)


class _Details(grpc.ClientCallDetails):
    def __init__(self, before: Any, metadata: tuple[tuple[str, str], ...]) -> None:
        self.method, self.credentials = before.method, before.credentials
        self.compression = getattr(before, "compression", None)
        self.metadata, self.wait_for_ready = metadata, True
        self.timeout = min(before.timeout or _CALL_S, _CALL_S)


def _caller(context: grpc.ServicerContext) -> _Caller:
    sent = dict(context.invocation_metadata())
    return _Caller(sent.get(_WORKER, ""), sent.get(_SESSION, ""))
