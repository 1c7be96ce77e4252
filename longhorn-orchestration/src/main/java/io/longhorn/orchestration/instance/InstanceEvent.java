package io.longhorn.orchestration.instance;

import java.util.Optional;
import java.util.UUID;

/**
 * What happens to an instance manager. Events of a process carry the uuid of its run: those of an
 * earlier run of the same name come too late and change nothing.
 */
public sealed interface InstanceEvent {
  /**
   * Somebody wants an instance.
   *
   * @param uuid new, for this run
   * @param nowMillis of the node's clock, since 1970
   */
  record Create(InstanceSpec spec, UUID uuid, long nowMillis) implements InstanceEvent {}

  /** The process is there. */
  record Forked(String name, UUID uuid, long pid) implements InstanceEvent {}

  /** There will be no process, and why. */
  record StartFailed(String name, UUID uuid, String message) implements InstanceEvent {}

  /** The process has said where it serves. */
  record Ready(String name, UUID uuid, String address) implements InstanceEvent {}

  /**
   * The process has ended.
   *
   * @param code 128 + N if signal N ended it
   * @param lastLine it printed, or empty
   */
  record Exited(String name, UUID uuid, int code, String lastLine) implements InstanceEvent {}

  /** Somebody wants it to end; any run of it if there is no uuid. */
  record StopAsked(String name, Optional<UUID> uuid) implements InstanceEvent {}

  /** The time that {@link InstanceEffect.ArmStopDeadline} began is over. */
  record StopDeadline(String name, UUID uuid) implements InstanceEvent {}

  /** Somebody does not want to see it any more; any run of it if there is no uuid. */
  record Forget(String name, Optional<UUID> uuid) implements InstanceEvent {}

  /** The instance manager itself is to end. */
  record Closing() implements InstanceEvent {}
}
