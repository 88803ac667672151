"""Where LocalStack departs from AWS, or from the machine it runs on, put right."""

import hashlib
import os
import signal
import sys
import uuid

from localstack.runtime import hooks

# AWS waits for messages up to 20 s; less here, as an orderly stop waits for the poll to end.
LONG_POLL_SECONDS = 2


@hooks.on_infra_start()
def run_dynamodb_without_installer():
    """DynamoDB Local from the jars in DYNAMODB_LOCAL_LIB, with the Java of the PATH.

    LocalStack's installer would fetch an archive, a Java and an agent (for more than 20 indexes of a
    table) from places that are no package registry.
    """
    from localstack.services.dynamodb.packages import DynamoDBLocalPackageInstaller as Installer
    from localstack.services.dynamodb.server import DynamodbServer

    library = os.environ["DYNAMODB_LOCAL_LIB"]

    def command(self):
        return [
            "java",
            f"-Xmx{self.heap_size}",
            f"-Djava.library.path={library}",
            "-cp",
            f"{library}/*",
            "com.amazonaws.services.dynamodbv2.local.main.ServerRunner",
            "-port",
            str(self.port),
            "-inMemory",
        ]

    Installer.install = lambda self, *args, **kwargs: None
    Installer.get_java_env_vars = lambda self: {}
    DynamodbServer._create_shell_command = command


@hooks.on_infra_start()
def end_with_dynamodb():
    """Where DynamoDB Local dies, LocalStack would start another one, without its tables and without a word.

    LocalStack is killed: there is nothing to save, and its orderly stop waits for minutes for requests
    that try the database again and again.
    """
    from localstack.runtime import events
    from localstack.services.dynamodb import server

    class DatabaseThread(server.ShellCommandThread):
        def run_cmd(self, params):
            self.do_run_cmd()
            code = self.process.returncode if self.process else None
            if self.auto_restart and not events.infra_stopping.is_set():
                print(f"DynamoDB Local ended by itself (exit code {code}): all tables are gone. Stopping.", flush=True)
                os.killpg(os.getpgrp(), signal.SIGKILL)
            return code

    server.ShellCommandThread = DatabaseThread


@hooks.on_infra_start()
def poll_queues_as_aws():
    """Event sources of SQS: long polls, a short pause after an empty one, and bodies as they were sent."""
    from localstack.services.lambda_.event_source_mapping import esm_worker
    from localstack.services.lambda_.event_source_mapping.pollers.sqs_poller import SqsPoller

    # The pause after an empty poll starts at 1 s, whatever its longest is set to.
    backoff = esm_worker.ExponentialBackoff
    esm_worker.ExponentialBackoff = lambda **settings: backoff(
        **{**settings, "initial_interval": min(settings["initial_interval"], settings["max_interval"])}
    )
    init, handle, add = SqsPoller.__init__, SqsPoller.handle_messages, SqsPoller.add_source_metadata

    def init_long_polling(self, *args, **kwargs):
        init(self, *args, **kwargs)
        self.maximum_batching_window = self.maximum_batching_window or LONG_POLL_SECONDS

    def handle_messages(self, messages):
        self._bodies = {message["MessageId"]: message["Body"] for message in messages}
        return handle(self, messages)

    def add_source_metadata(self, records):
        # It reads bodies of JSON for the filter, and writes them anew.
        for record in records:
            record["body"] = self._bodies.get(record.get("messageId"), record["body"])
        return add(self, records)

    SqsPoller.__init__ = init_long_polling
    SqsPoller.handle_messages = handle_messages
    SqsPoller.add_source_metadata = add_source_metadata


@hooks.on_infra_start()
def name_keys_on_old_python():
    """Before Python 3.12 `uuid5` takes no bytes, which KMS of LocalStack gives it for symmetric keys."""
    if sys.version_info >= (3, 12):
        return

    def uuid5(namespace, name):
        data = name if isinstance(name, bytes) else name.encode()
        digest = hashlib.sha1(namespace.bytes + data, usedforsecurity=False).digest()
        return uuid.UUID(bytes=digest[:16], version=5)

    uuid.uuid5 = uuid5
