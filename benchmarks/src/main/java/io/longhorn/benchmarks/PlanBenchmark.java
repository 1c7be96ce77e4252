package io.longhorn.benchmarks;

import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.orchestration.decision.ClusterView;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.Plan;
import io.longhorn.orchestration.decision.control.ControlCore;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** What a control plane decides in a cluster of 10,000 volumes with three replicas each. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(1)
public class PlanBenchmark {
  /** The cluster, at rest; what it has unless told otherwise the figures are for. */
  @State(Scope.Thread)
  public static class Cluster {
    /** How many volumes it has. */
    @Param("10000")
    public int volumes = 10_000;

    /** And nodes. */
    @Param("100")
    public int nodes = 100;

    private @Nullable ClusterView settled;
    private int next;

    /** Fills and settles it. */
    @Setup(Level.Trial)
    public void fill() {
      settled = ManyVolumes.of(volumes, nodes);
    }

    private ClusterView view() {
      return Objects.requireNonNull(settled);
    }

    /** Another one each time: nothing of it is at hand. */
    private String volume() {
      next = (next + 7_919) % volumes;
      return ManyVolumes.volume(next);
    }
  }

  /** What is dirty is planned for. */
  private static List<Plan> plan(ClusterView view) {
    List<Plan> plans = new ArrayList<>();
    if (view.takeClusterDirty()) {
      plans.add(ControlCore.planCluster(view));
    }
    for (String volume : view.takeDirty()) {
      plans.add(ControlCore.planVolume(view, volume));
    }
    return plans;
  }

  /** A ticket is taken away, and back: a change of an object and the plan for its volume, twice. */
  @Benchmark
  public List<Plan> ticketTakenAwayAndBack(Cluster cluster) {
    ClusterView view = cluster.view();
    String name = cluster.volume();
    VolumeAttachment before =
        view.find(ObjectKind.VOLUME_ATTACHMENT, name, VolumeAttachment.class).orElseThrow();
    view.put(before.without("t"));
    List<Plan> plans = plan(view);
    view.put(before);
    plans.addAll(plan(view));
    return plans;
  }

  /** An engine has crashed: its instance manager says so, and it is planned for; and back. */
  @Benchmark
  public List<Plan> engineGoneAndBack(Cluster cluster) {
    ClusterView view = cluster.view();
    String engine = cluster.volume() + "-e-0";
    String name = managerOf(view, engine);
    ManagerSeen before = view.manager(name);
    TreeMap<String, ManagerSeen.Instance> without = new TreeMap<>(before.instances());
    without.remove(engine);
    view.seen(name, new ManagerSeen(before.reach(), before.pid(), without));
    List<Plan> plans = plan(view);
    view.seen(name, before);
    plans.addAll(plan(view));
    return plans;
  }

  private static String managerOf(ClusterView view, String engine) {
    return view.find(ObjectKind.ENGINE, engine, Engine.class)
        .orElseThrow()
        .status()
        .instance()
        .instanceManagerName();
  }

  /** What belongs to no volume: nodes, instance managers, images, and who is upgraded next. */
  @Benchmark
  public Plan cluster(Cluster cluster) {
    return ControlCore.planCluster(cluster.view());
  }

  /** Everything is looked at, as after a setting was changed. */
  @Benchmark
  @OutputTimeUnit(TimeUnit.MILLISECONDS)
  public List<Plan> fullPass(Cluster cluster) {
    cluster.view().everythingChanged();
    return plan(cluster.view());
  }
}
