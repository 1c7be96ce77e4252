package io.longhorn.orchestration.sim.world;

import java.util.EnumSet;

/**
 * How a simulated cluster behaves. Everything may be changed at any time; from then on it holds.
 */
public final class SimKnobs {
  /** A range of times, in milliseconds; both ends may come. */
  public record Range(long least, long most) {
    /** One of them, in nanoseconds. */
    public long pick(SimScheduler scheduler) {
      return scheduler.millisBetween(least, most);
    }
  }

  /** What is done wrong on purpose, to see that it is noticed. */
  public enum Sabotage {
    /** A replica answers a write that it does not keep (I1). */
    REPLICA_DROPS_WRITES,
    /** An engine takes a write for done everywhere when one replica has answered (I2). */
    ENGINE_COUNTS_ONE_ANSWER,
    /** A replica serves whoever asks, whatever it has promised (I3). */
    REPLICA_HAS_NO_GATE,
    /** After a crash nothing is made equal (I4). */
    ENGINE_SKIPS_RECONCILE,
    /** A replica process that starts has lost the record that was kept in its directory (I5). */
    REPLICA_FORGETS_ITS_RECORD,
    /** A replica answers a FLUSH and flushes nothing (I6). */
    REPLICA_IGNORES_FLUSH,
    /** An engine fills others from a replica that is not in sync (I7). */
    ENGINE_COPIES_FROM_ANYBODY,
    /** A replica process does not look at the lock of its directory (I8). */
    REPLICA_IGNORES_LOCK,
    /** A directory is deleted whenever a replica object of it is told to be (I8). */
    EXECUTOR_DELETES_SHARED_DIRECTORY,
    /** An engine is stopped when its node does not answer for a while (I9). */
    EXECUTOR_STOPS_IN_DOUBT
  }

  /** What goes wrong with the next process that is to take an engine over. */
  public enum SwapTrouble {
    /** Nothing. */
    NONE,
    /** It does not start. */
    DOES_NOT_START,
    /** It starts and never gets ready. */
    HANGS,
    /** It is killed when the old one has stopped its clients, before it has the volume. */
    DIES_BEFORE_COMMIT,
    /** It is killed when it has the volume. */
    DIES_AFTER_COMMIT
  }

  /** Blocks of a volume: what is left of its size. */
  public int blocks = 16;

  /** How long frames take, and how long links stand a cut. */
  public SimNetwork.Timing network = SimNetwork.Timing.DEFAULT;

  /** Until a process serves. */
  public Range processStart = new Range(50, 300);

  /** Until a process that was told to end has. */
  public Range processStop = new Range(20, 200);

  /** Until the pod of an instance manager serves. */
  public Range podStart = new Range(800, 2_500);

  /** From the deletion timestamp of a pod until its processes end. */
  public Range podEnds = new Range(20, 150);

  /** From then until it is gone. */
  public Range podGone = new Range(200, 1_500);

  /** Until a change of a process is seen by the control plane. */
  public Range seen = new Range(5, 80);

  /** Until an action reaches whom it is for. */
  public Range action = new Range(2, 40);

  /** Until the control plane plans after something changed. */
  public Range control = new Range(1, 15);

  /** One way to the store, or back. */
  public Range store = new Range(1, 6);

  /** Until a control plane that was told to start has read the store. */
  public Range controlStart = new Range(500, 2_000);

  /** From its last word until Kubernetes takes a node for not ready. */
  public long notReadyMillis = 40_000;

  /** From not ready until pods of a node get a deletion timestamp. */
  public long evictionMillis = 300_000;

  /** Until a machine whose power came back says so. */
  public Range boot = new Range(4_000, 12_000);

  /** To fill one block of an empty replica. */
  public Range fill = new Range(20, 60);

  /** Between two requests of a guest. */
  public Range guestPause = new Range(30, 200);

  /** So many times longer where nothing else has happened for a while. */
  public int idleFactor = 1;

  /** Until whatever had a volume mounted has it mounted anew. */
  public Range remount = new Range(500, 3_000);

  /** Whether a loss of power tears blocks. */
  public boolean tearsBlocks = true;

  /** One action of so many is lost; 0 for none. The same below. */
  public int loseActionOneOf;

  /** Carried out twice, the second time later. */
  public int repeatActionOneOf;

  /** Carried out seconds late. */
  public int slowActionOneOf;

  /** One call of the store of so many is lost, on its way or on its way back. */
  public int loseStoreCallOneOf;

  /** One frame of so many ends its link. */
  public int breakLinkOneOf;

  /** One FLUSH of a replica of so many fails. */
  public int failFlushOneOf;

  /** What goes wrong with the next swap of an engine; once. */
  public SwapTrouble swapTrouble = SwapTrouble.NONE;

  /** What is done wrong on purpose. */
  public final EnumSet<Sabotage> sabotage = EnumSet.noneOf(Sabotage.class);

  /** Whether the trace is put into words. */
  public boolean isTold = true;

  /** Nothing goes wrong by itself. */
  public SimKnobs() {}

  /** Whether this is done wrong. */
  public boolean does(Sabotage what) {
    return sabotage.contains(what);
  }

  /** From now on nothing goes wrong by itself any more. */
  public void calm() {
    loseActionOneOf = 0;
    repeatActionOneOf = 0;
    slowActionOneOf = 0;
    loseStoreCallOneOf = 0;
    breakLinkOneOf = 0;
    failFlushOneOf = 0;
    swapTrouble = SwapTrouble.NONE;
  }
}
