package io.longhorn.orchestration.decision.replica;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.VolumeId;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.orchestration.Seed;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.ClusterView;
import io.longhorn.orchestration.decision.Names;
import java.util.EnumSet;
import java.util.TreeMap;
import java.util.UUID;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

/** What is promised of a disk is kept up to date, whatever comes and goes in whatever order. */
final class PromisedBytesTest {
  private final ClusterView view = new ClusterView(EnumSet.noneOf(Capability.class));
  private final TreeMap<ObjectKey, ClusterObject> objects = new TreeMap<>();

  @Test
  void itIsTheSumOfTheVolumesThatHaveAReplicaThere() {
    RandomGenerator random = Seed.random("itIsTheSumOfTheVolumesThatHaveAReplicaThere");
    long most = 0;
    for (int i = 0; i < 20_000; i++) {
      change(random);
      for (int node = 0; node < 3; node++) {
        long expected = sum("n" + node);
        assertThat(view.promisedBytes("n" + node, Node.ONLY_DISK))
            .as("step %d", i)
            .isEqualTo(expected);
        most = Math.max(most, expected);
      }
    }
    assertThat(most).isPositive();
  }

  private void change(RandomGenerator random) {
    String volume = "v" + random.nextInt(4);
    ClusterObject object = random.nextBoolean() ? volume(volume, random) : replica(volume, random);
    if (random.nextInt(3) == 0) {
      objects.remove(object.key());
      view.remove(object.key());
    } else {
      objects.put(object.key(), object);
      view.put(object);
    }
  }

  private static Volume volume(String name, RandomGenerator random) {
    Volume.Spec spec =
        Volume.Spec.of(
            new VolumeId(new UUID(1, 1)), 4096L * (1 + random.nextInt(5)), 3, false, "default");
    return new Volume(name, spec, Volume.Status.creating("default"), 0);
  }

  private static Replica replica(String volume, RandomGenerator random) {
    int number = 1 + random.nextInt(5);
    Replica like = ReplicaWorld.of(1, 1).replica(1);
    Replica.Spec spec = like.spec();
    return new Replica(
        Names.replica(volume, ReplicaWorld.id(number)),
        new Replica.Spec(
            volume,
            ReplicaWorld.id(number),
            "n" + random.nextInt(3),
            Node.ONLY_DISK,
            spec.directory(),
            spec.image(),
            true,
            "",
            random.nextInt(4) > 0,
            false,
            spec.health()),
        like.status());
  }

  private long sum(String node) {
    long sum = 0;
    for (ClusterObject object : objects.values()) {
      if (object instanceof Replica replica
          && replica.spec().nodeID().equals(node)
          && replica.spec().isActive()
          && objects.get(
                  new ObjectKey(
                      io.longhorn.api.cluster.ObjectKind.VOLUME, replica.spec().volumeName()))
              instanceof Volume volume) {
        sum += volume.spec().sizeBytes();
      }
    }
    return sum;
  }
}
