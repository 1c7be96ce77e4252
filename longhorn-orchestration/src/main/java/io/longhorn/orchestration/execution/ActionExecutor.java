package io.longhorn.orchestration.execution;

import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Capability;
import java.util.Set;

/**
 * The hands and eyes of a control plane: carries out what concerns processes, and says what it sees
 * of them. One serves one control plane, until it is closed.
 *
 * <p>Actions are idempotent: one may be repeated; what is done already is no error. Nothing is
 * answered: what came of an action is seen. What an executor sees may be late, but not missing: it
 * goes on looking, and says what is there now.
 */
public interface ActionExecutor extends AutoCloseable {
  /** What it can do; what it cannot is never planned. The same for as long as it lives. */
  Set<Capability> capabilities();

  /**
   * Carries out one action. Any thread, one action for a subject at a time; may block for as long
   * as a process takes to be started, not until it serves. Throws {@link
   * io.longhorn.api.VolumeException} if it could not; the next plan tries again.
   */
  void execute(Action.ProcessAction action);

  /** Whatever is seen from now on goes there. Called once, before anything else. */
  default void observe(Observation observation) {}

  /**
   * What there is to be looked at from now on, and nothing else: called with everything whenever it
   * changes, from one thread; returns at once.
   */
  default void watch(Targets targets) {}

  /** Looks at nothing any more, and says nothing. What it started goes on. */
  @Override
  default void close() {}
}
