package io.longhorn.orchestration.decision.replica;

import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.Names;
import java.util.Collection;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * How a replica is taken away: its process, then its directory, then its object. Its object is
 * there as long as its directory may be.
 */
public final class RemovalRule {
  private RemovalRule() {}

  /**
   * The next step; to be asked in every plan until the replica is gone.
   *
   * @return whether it is gone, with this plan
   */
  public static boolean remove(Draft draft, Volume volume, Replica replica) {
    Replica unwanted = replica.wanted(false);
    draft.put(unwanted);
    if (draft.node(replica.spec().nodeID()).isEmpty()) {
      // A node that the cluster has no more has taken its disks with it.
      draft.remove(replica.key());
      return true;
    }
    if (hasPartner(replica, draft.replicasOf(volume))) {
      // Rule 3.5/2: the directory is another one's too (#7396); the object goes when its process
      // has,
      // or is on a node that is down: there it is fenced, and ends when it is seen again.
      boolean isOver =
          draft.hasStopped(replica.status().instance(), replica.spec().nodeID())
              && !replica.spec().isWanted();
      if (isOver) {
        draft.remove(replica.key());
      }
      return isOver;
    }
    return isDeleted(draft, unwanted);
  }

  /** Whether its directory is being deleted, or was. */
  public static boolean hasBegun(Draft draft, Replica replica) {
    return draft
        .managerOf(replica)
        .map(manager -> draft.seen(manager).instances().get(Names.deletion(replica)))
        .isPresent();
  }

  /** Whether another replica object names the same directory. */
  public static boolean hasPartner(Replica replica, Collection<Replica> all) {
    return all.stream()
        .anyMatch(other ->
            !other.name().equals(replica.name()) && other.spec().id().equals(replica.spec().id()));
  }

  private static boolean isDeleted(Draft draft, Replica replica) {
    Optional<InstanceManager> manager = draft.managerOf(replica);
    // Rule 8/6: nobody is there to do it, or nobody knows what is there; it is done later.
    boolean canBeAsked =
        manager.isPresent()
            && manager.get().state() == InstanceManager.State.RUNNING
            && draft.seen(manager.get()).reach() == ManagerSeen.Reach.CONNECTED;
    if (!canBeAsked || replica.status().instance().mayRun()) {
      return false;
    }
    ManagerSeen seen = draft.seen(manager.get());
    ManagerSeen.Instance creation = seen.instances().get(Names.creation(replica));
    boolean isMade = replica.status().isCreated() || isFailed(creation);
    if (!isMade || seen.instances().containsKey(replica.name())) {
      // What is being made, or served, would be there again after it was deleted.
      return false;
    }
    ManagerSeen.Instance deletion = seen.instances().get(Names.deletion(replica));
    if (deletion == null || isFailed(deletion)) {
      draft.act(new Action.DeleteDirectory(manager.get(), replica));
      return false;
    }
    if (deletion.state() != ManagerSeen.State.STOPPED) {
      return false;
    }
    draft.remove(replica.key());
    return true;
  }

  private static boolean isFailed(ManagerSeen.@Nullable Instance one) {
    return one != null && one.state() == ManagerSeen.State.ERROR;
  }
}
