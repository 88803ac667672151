"""LocalStack's execution environments as processes: frozen between invocations, as AWS freezes them."""

import json
import os
import queue
import signal
import time
from pathlib import Path

from localstack import config
from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import (
    LambdaRuntimeException,
    RuntimeExecutor,
)

from carequorum_localstack.process import FunctionProcess

BOOTSTRAP = str(Path(__file__).with_name("bootstrap.mjs"))
INHERITED = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
LOG_CHARS_MAX = 65536
# A file for each account, as where each account has an emulator of its own.
LOG_FOLDER = Path(os.environ["LAMBDA_LOGS"])
LOG_NAMES = json.loads(os.environ["LAMBDA_LOG_NAMES"])


def command_for(runtime):
    if runtime.startswith("nodejs"):
        return [os.environ["LAMBDA_NODE"], "--enable-source-maps", BOOTSTRAP]
    raise LambdaRuntimeException(f"functions of {runtime} do not run here")


class ProcessExecutor(RuntimeExecutor):
    """One environment of a function."""

    def __init__(self, id, function_version):
        super().__init__(id, function_version)
        self.process = None
        self.is_stopped = False
        self.logs = ""

    def start(self, env_vars):
        home = Path(config.dirs.tmp) / "lambda-home" / self.id
        home.mkdir(parents=True, exist_ok=True)
        runtime = self.function_version.config.runtime
        self.environment = {
            **INHERITED,
            "HOME": str(home),
            "TMPDIR": str(home),
            **{name: str(value) for name, value in env_vars.items()},
            "TZ": "UTC",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime}",
        }
        self._spawn()

    def stop(self):
        self.is_stopped = True
        if self.process:
            self.process.close()

    def invoke(self, payload):
        request = payload["invoke-id"]
        if self.process.is_closed and not self.is_stopped:
            try:
                self._spawn()
            except StatusErrorException as error:
                return InvocationResult(request, error.payload, is_error=True, logs=self.logs)
        started = time.monotonic()
        before = self.process.take_output()
        body, is_error, is_over = self._run(payload, request, started)
        if is_over:
            self.process.close()
        else:
            self.process.signal(signal.SIGSTOP)
        logs = self._report(request, before, started)
        self._write_down(logs)
        return InvocationResult(request, body, is_error=is_error, logs=logs)

    def get_logs(self):
        return self.logs + (self.process.take_output() if self.process else "")

    def get_address(self):
        return "127.0.0.1"

    def get_endpoint_from_executor(self):
        return "127.0.0.1"

    def get_runtime_endpoint(self):
        return f"http://127.0.0.1:{config.GATEWAY_LISTEN[0].port}/_localstack_lambda/{self.id}"

    @classmethod
    def prepare_version(cls, function_version):
        function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version):
        pass

    def _spawn(self):
        settings = self.function_version.config
        folder = settings.code.get_unzipped_code_location()
        environment = {**self.environment, "LAMBDA_TASK_ROOT": str(folder)}
        self.process = FunctionProcess(command_for(settings.runtime), environment, folder)
        if self.is_stopped:
            self.process.close()
        error = self.process.wait_ready(None)
        if error is not None:
            self.logs += self.process.take_output()
            self.process.close()
            raise StatusErrorException("Environment startup failed", payload=error)
        self.process.signal(signal.SIGSTOP)

    def _run(self, payload, request, started):
        """The answer, whether it is an error, and whether the process is of no more use."""
        timeout = self.function_version.config.timeout

        def left():
            return max(0.001, started + timeout - time.monotonic())

        headers = {
            "Lambda-Runtime-Aws-Request-Id": request,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + timeout) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": payload["invoked-function-arn"],
            "Lambda-Runtime-Trace-Id": payload["trace-id"],
        }
        self.process.work.put((payload["payload"].encode(), headers))
        self.process.signal(signal.SIGCONT)
        try:
            answered = ""
            while answered not in (request, None):
                answered, is_error, body = self.process.answers.get(timeout=left())
            # On AWS an invocation lasts until the runtime asks for the next one.
            is_over = answered is None or self.process.wait_ready(left()) is not None
            return body, is_error, is_over
        except queue.Empty:
            message = f"{request} Task timed out after {timeout:.2f} seconds"
            error = {"errorType": "Sandbox.Timedout", "errorMessage": message}
            return json.dumps(error).encode(), True, True

    def _write_down(self, logs):
        account = self.function_version.id.account
        with open(LOG_FOLDER / f"{LOG_NAMES.get(account, account)}.log", "a", encoding="utf-8") as file:
            file.write(logs)

    def _report(self, request, before, started):
        milliseconds = (time.monotonic() - started) * 1000
        version = self.function_version.id.qualifier
        logs = (
            f"{before}START RequestId: {request} Version: {version}\n"
            f"{self.process.take_output()}END RequestId: {request}\n"
            f"REPORT RequestId: {request}\tDuration: {milliseconds:.2f} ms\n"
        )
        self.logs = (self.logs + logs)[-LOG_CHARS_MAX:]
        return logs
