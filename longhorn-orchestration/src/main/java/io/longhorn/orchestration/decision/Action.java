package io.longhorn.orchestration.decision;

import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import java.util.List;

/**
 * What a plan wants done. Every action is idempotent: it may be repeated, late, or lost; the next
 * plan looks again.
 */
public sealed interface Action {
  /** Store an object, if it is still as the plan saw it. */
  record Put(ClusterObject object) implements Action {}

  /** Remove an object, if it is still as the plan saw it. */
  record Remove(ObjectKey key) implements Action {}

  /** Something for people to know; it is recorded once per plan that has it. */
  record Tell(ObjectKey about, boolean isWarning, String reason, String message)
      implements Action {}

  /** What an {@link io.longhorn.orchestration.execution.ActionExecutor} carries out. */
  sealed interface ProcessAction extends Action {
    /** What it is about: one at a time is carried out for a subject. */
    String subject();
  }

  /** Start the process of an instance manager. */
  record StartInstanceManager(InstanceManager manager, Node node, EngineImage image)
      implements ProcessAction {
    @Override
    public String subject() {
      return manager.name();
    }
  }

  /** End the process of an instance manager at once, and everything it had started with it. */
  record KillInstanceManager(InstanceManager manager) implements ProcessAction {
    @Override
    public String subject() {
      return manager.name();
    }
  }

  /** Make the directory of a replica of a new volume. */
  record CreateDirectory(
      InstanceManager manager, Replica replica, Volume volume, List<Replica> all, EngineImage image)
      implements ProcessAction {
    @Override
    public String subject() {
      return Names.creation(replica);
    }
  }

  /** Delete the directory of a replica of a deleted volume. */
  record DeleteDirectory(InstanceManager manager, Replica replica) implements ProcessAction {
    @Override
    public String subject() {
      return Names.deletion(replica);
    }
  }

  /** Start the process of a replica. */
  record StartReplica(InstanceManager manager, Replica replica, EngineImage image)
      implements ProcessAction {
    @Override
    public String subject() {
      return replica.name();
    }
  }

  /** Start the process of an engine. */
  record StartEngine(
      InstanceManager manager,
      Engine engine,
      Volume volume,
      List<Replica> replicas,
      EngineImage image)
      implements ProcessAction {
    @Override
    public String subject() {
      return engine.name();
    }
  }

  /** Stop a process: first asked to, then made to. */
  record StopInstance(InstanceManager manager, String instance, String uuid)
      implements ProcessAction {
    @Override
    public String subject() {
      return instance;
    }
  }

  /** Forget a process that has ended. */
  record ForgetInstance(InstanceManager manager, String instance, String uuid)
      implements ProcessAction {
    @Override
    public String subject() {
      return instance;
    }
  }
}
