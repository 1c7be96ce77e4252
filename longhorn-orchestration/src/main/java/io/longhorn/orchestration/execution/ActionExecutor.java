package io.longhorn.orchestration.execution;

import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Capability;
import java.util.Set;

/**
 * Carries out what concerns processes. Idempotent: an action may be repeated; what is done already
 * is no error. Any thread; a call may block for as long as a process takes to be started, not until
 * it serves. Throws {@link io.longhorn.api.VolumeException} if it could not; the next plan tries
 * again.
 */
public interface ActionExecutor {
  /** What it can do; what it cannot is never planned. The same for as long as it lives. */
  Set<Capability> capabilities();

  /** Carries out one action. */
  void execute(Action.ProcessAction action);
}
