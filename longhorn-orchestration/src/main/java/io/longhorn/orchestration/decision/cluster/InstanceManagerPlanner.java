package io.longhorn.orchestration.decision.cluster;

import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.ManagerSeen.Reach;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Settings;
import java.util.List;
import java.util.Optional;

/**
 * What instance managers are doing (section 6.1), which there are to be, and which go (5.9). The
 * numbers of the rules are those of the rows: 6.1/1 stopped, 2 error, 3 starting, 4 running, 5
 * unknown, and 6 for what is started again; 5.9 as the table has them.
 *
 * <p>Their states follow from what an orchestrator says of the node; without one, the node follows
 * from them ({@link NodePlanner}).
 */
public final class InstanceManagerPlanner {
  private InstanceManagerPlanner() {}

  /** Their states first, then which are missing, or too many, or have to be started. */
  public static void plan(Draft draft) {
    for (InstanceManager manager : draft.instanceManagers()) {
      // A new control plane has not looked yet: that is no news.
      if (draft.isSeen(manager)) {
        observe(draft, manager);
      }
    }
    if (draft.view().can(Capability.MANAGE_INSTANCE_MANAGERS)) {
      draft.nodes().forEach(node -> createMissing(draft, node));
    }
  }

  /** What has to be started, ended, or removed, once it is known how the nodes are. */
  public static void act(Draft draft) {
    for (InstanceManager manager : draft.instanceManagers()) {
      Optional<Node> node = draft.node(manager.nodeID());
      if (!draft.isSeen(manager)) {
        continue;
      }
      if (isToGo(draft, manager)) {
        end(draft, manager);
      } else {
        node.ifPresent(there -> run(draft, manager, there));
      }
    }
  }

  // ---- 6.1 ------------------------------------------------------------------------------------

  private static void observe(Draft draft, InstanceManager before) {
    ManagerSeen seen = draft.seen(before);
    InstanceManager.State state = state(draft, before, seen.reach());
    InstanceManager manager = before.with(state, pid(before, seen), draft.nowMillis());
    draft.put(manager);
    boolean isCrash =
        state == InstanceManager.State.ERROR
            && (before.state() == InstanceManager.State.RUNNING
                || before.state() == InstanceManager.State.UNKNOWN)
            && (isDefault(draft, before) || isUsed(draft, before));
    if (isCrash) {
      draft.tell(
          manager,
          true,
          "InstanceManagerCrashed",
          "the process of " + manager.name() + " is gone, and with it all it had started");
    }
  }

  /** Whether what is known to run is in it; one that is not needed any more was told to end. */
  private static boolean isUsed(Draft draft, InstanceManager manager) {
    boolean hasReplica =
        draft.view().replicasOn(manager.nodeID()).stream()
            .anyMatch(replica -> isIn(replica.status().instance(), manager));
    return hasReplica
        || draft.view().all(ObjectKind.ENGINE, Engine.class).stream()
            .anyMatch(engine -> isIn(engine.status().instance(), manager));
  }

  private static boolean isIn(InstanceView instance, InstanceManager manager) {
    return instance.mayRun() && instance.instanceManagerName().equals(manager.name());
  }

  /** One that never answered this control plane has the process that is known of it. */
  private static long pid(InstanceManager before, ManagerSeen seen) {
    return seen.reach() == Reach.UNREACHABLE && seen.pid() == 0 ? before.pid() : seen.pid();
  }

  private static InstanceManager.State state(Draft draft, InstanceManager before, Reach reach) {
    Optional<Node> node = draft.node(before.nodeID());
    if (node.filter(Node::isOff).isPresent()) {
      // The power is off: whatever is seen, or not, of what had run there.
      return before.state() == InstanceManager.State.ERROR || reach == Reach.TERMINATING
          ? InstanceManager.State.ERROR
          : InstanceManager.State.UNKNOWN;
    }
    InstanceManager.State state =
        reach == Reach.GONE
                && before.state() == InstanceManager.State.STOPPED
                && isToBeStarted(draft, before)
            ? InstanceManager.State.STARTING
            : state(before.state(), reach);
    // Rule 6.1/5: on a node that is down nobody knows; an error is known all the same.
    boolean isDown =
        node.filter(there -> NodePlanner.isAlone(draft, there)).isEmpty()
            && draft.isDown(before.nodeID());
    return state != InstanceManager.State.ERROR && isDown ? InstanceManager.State.UNKNOWN : state;
  }

  private static InstanceManager.State state(InstanceManager.State before, Reach reach) {
    return switch (reach) {
      case NOT_SEEN -> before;
      // Rule 6.1/1, 6.1/2: its process is gone; one that had not run before is to be started.
      case GONE ->
          before == InstanceManager.State.STOPPED || before == InstanceManager.State.STARTING
              ? before
              : InstanceManager.State.ERROR;
      // Rule 6.1/2, 8/4: it was told to end, nobody waits for it.
      case TERMINATING -> InstanceManager.State.ERROR;
      // Rule 6.1/3: it does not answer yet.
      case STARTING -> InstanceManager.State.STARTING;
      // Rule 6.1/4: it answers.
      case CONNECTED -> InstanceManager.State.RUNNING;
      // Rule 6.1/5: it may live; an error is not overwritten by doubt.
      case UNREACHABLE ->
          before == InstanceManager.State.STOPPED || before == InstanceManager.State.ERROR
              ? before
              : InstanceManager.State.UNKNOWN;
    };
  }

  // ---- which there are to be ------------------------------------------------------------------

  /** Kinds of the instance managers that a node is to have. */
  private static List<InstanceManager.Type> types(Draft draft, Node node) {
    if (draft.settings().text(Settings.Key.INSTANCE_MANAGER_TYPES).equals("all-in-one")) {
      return List.of(InstanceManager.Type.ALL_IN_ONE);
    }
    // Rule 5.9/5: none for replicas where there is no disk.
    return node.disks().isEmpty()
        ? List.of(InstanceManager.Type.ENGINE)
        : List.of(InstanceManager.Type.ENGINE, InstanceManager.Type.REPLICA);
  }

  private static void createMissing(Draft draft, Node node) {
    String image = draft.settings().text(Settings.Key.DEFAULT_INSTANCE_MANAGER_IMAGE);
    Optional<EngineImage> deployed =
        draft.image(image).filter(found -> found.deployedOn().contains(node.name()));
    if (deployed.isEmpty() || node.isOff() || draft.isDown(node.name()) || draft.isStopping()) {
      return;
    }
    for (InstanceManager.Type type : types(draft, node)) {
      boolean isThere =
          draft.managersOn(node.name()).stream()
              .anyMatch(one -> one.type() == type && one.image().equals(image));
      if (!isThere) {
        // Rule 5.9/1: the one of the default image is on every node.
        String name = Names.instanceManager(node.name(), type, image);
        draft.put(
            new InstanceManager(
                name,
                node.name(),
                type,
                image,
                "",
                InstanceManager.State.STOPPED,
                0,
                draft.nowMillis()));
      }
    }
  }

  // ---- 5.9 ------------------------------------------------------------------------------------

  private static boolean isToGo(Draft draft, InstanceManager manager) {
    if (!draft.view().can(Capability.MANAGE_INSTANCE_MANAGERS) || draft.isStopping()) {
      return false;
    }
    if (isDefault(draft, manager)) {
      return false;
    }
    return switch (manager.state()) {
      // Rule 5.9/2: what runs in it, or is being started or stopped, is not to be cut off.
      case RUNNING -> draft.seen(manager).isIdle();
      // Rule 5.9/3: nobody knows what runs in it (#6479).
      case UNKNOWN -> false;
      // Rule 5.9/4: anything else goes at once.
      case STOPPED, STARTING, ERROR -> true;
    };
  }

  private static boolean isDefault(Draft draft, InstanceManager manager) {
    String image = draft.settings().text(Settings.Key.DEFAULT_INSTANCE_MANAGER_IMAGE);
    // Rule 5.9/1: of the default image, of a kind that is wanted there.
    // Rule 5.9/6: on a node that the cluster does not have any more it is as any other.
    return manager.image().equals(image)
        && draft
            .node(manager.nodeID())
            .filter(there -> types(draft, there).contains(manager.type()))
            .isPresent();
  }

  /** Its process first: its object is there as long as that may be. */
  private static void end(Draft draft, InstanceManager manager) {
    boolean isOver =
        switch (draft.seen(manager).reach()) {
          case GONE -> true;
          case NOT_SEEN, CONNECTED, STARTING, UNREACHABLE, TERMINATING ->
              draft.node(manager.nodeID()).isEmpty()
                  && manager.state() != InstanceManager.State.RUNNING;
        };
    if (!isOver) {
      draft.act(new Action.KillInstanceManager(manager));
      return;
    }
    draft.remove(manager.key());
    draft.tell(
        manager,
        false,
        "InstanceManagerDeleted",
        manager.name() + " of image " + manager.image() + " is not needed any more");
  }

  // ---- started and ended ----------------------------------------------------------------------

  private static void run(Draft draft, InstanceManager manager, Node node) {
    Reach reach = draft.seen(manager).reach();
    if (node.isOff()) {
      if (reach != Reach.GONE) {
        draft.act(new Action.KillInstanceManager(manager));
      }
      return;
    }
    if (reach == Reach.GONE && isToBeStarted(draft, manager)) {
      draft
          .image(manager.image())
          .ifPresent(image -> draft.act(new Action.StartInstanceManager(manager, node, image)));
    } else if (reach == Reach.GONE && node.isCordoned()) {
      draft.reason(
          manager,
          Names.READY,
          "6.1/6",
          manager.name() + " is not started again: " + node.name() + " is cordoned");
    }
  }

  /** Whether it is started, if it does not run. */
  private static boolean isToBeStarted(Draft draft, InstanceManager manager) {
    // Rule 6.1/6: on its own node, not while that is cordoned; whoever carries it out waits longer
    // and longer for one that does not stay.
    return !draft.isStopping()
        && draft.image(manager.image()).isPresent()
        && draft
            .node(manager.nodeID())
            .filter(node -> !node.isOff() && !node.isCordoned())
            .isPresent();
  }
}
