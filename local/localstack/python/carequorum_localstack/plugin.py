"""Offers LocalStack the executor that runs functions as processes (`LAMBDA_RUNTIME_EXECUTOR=process`)."""

from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin


class ProcessExecutorPlugin(RuntimeExecutorPlugin):
    """The plug-in point at which LocalStack asks how functions are run."""

    name = "process"

    def load(self, *args, **kwargs):
        from carequorum_localstack.executor import ProcessExecutor

        return ProcessExecutor
