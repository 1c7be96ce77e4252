package io.longhorn.orchestration.instance;

import io.longhorn.api.IoError;
import java.util.UUID;

/** What has to be done, in this order, before the next event. */
public sealed interface InstanceEffect {
  /** The event was a request that cannot be met; nothing has changed. */
  record Refuse(IoError error, String message) implements InstanceEffect {}

  /** The list of instances has changed: a new revision. */
  record Publish() implements InstanceEffect {}

  /** Start the process; answer with {@code Forked} or {@code StartFailed}. */
  record Start(InstanceSpec spec, UUID uuid) implements InstanceEffect {}

  /** SIGTERM. */
  record Terminate(String name, UUID uuid) implements InstanceEffect {}

  /** SIGKILL. */
  record Kill(String name, UUID uuid) implements InstanceEffect {}

  /** Tell when the time to stop is over. */
  record ArmStopDeadline(String name, UUID uuid) implements InstanceEffect {}

  /** Drop what belongs to a name that is gone. */
  record Drop(String name) implements InstanceEffect {}

  /** After {@code Closing}: no process is left. Once. */
  record AllStopped() implements InstanceEffect {}
}
