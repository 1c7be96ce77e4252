package io.longhorn.orchestration.sim.world;

/** Something that must not happen has happened. An error: nothing that is tested catches it. */
public final class SimFailure extends AssertionError {
  private static final long serialVersionUID = 1;

  private final String invariant;

  /** Of an invariant, for example {@code I3}. */
  public SimFailure(String invariant, String message) {
    super(invariant + ": " + message);
    this.invariant = invariant;
  }

  /** Which one does not hold. */
  public String invariant() {
    return invariant;
  }
}
