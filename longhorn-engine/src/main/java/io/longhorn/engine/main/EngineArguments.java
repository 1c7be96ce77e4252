package io.longhorn.engine.main;

import io.longhorn.api.Authority;
import io.longhorn.api.EngineId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.VolumeName;
import io.longhorn.engine.transport.Endpoint;
import io.longhorn.engine.volume.ReplicaAddress;
import io.longhorn.engine.volume.VolumeConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * The words of the command line.
 *
 * @param config the volume
 * @param listen where NBD clients connect; one or more
 * @param control where the engine is watched and commanded
 */
record EngineArguments(VolumeConfig config, List<Endpoint> listen, Optional<Endpoint> control) {
  static final String USAGE =
      """
      usage: longhorn engine serve --volume NAME [--volume-id UUID]
                 --replica UUID@tcp:HOST:PORT|UUID@unix:PATH ...   every replica of the volume
                 --nbd unix:PATH|tcp:HOST:PORT ...                 where NBD clients connect
                 [--authority replicas|store:CLUSTER]              who keeps the record of who is in sync (replicas)
                 [--store unix:PATH|tcp:HOST:PORT ...]             with store:CLUSTER: where that store answers
                 [--control unix:PATH]                             where it is watched and commanded
                 [--hold SECONDS]                                  I/O that cannot go on fails after that; 0 = never (60)
                 [--resync-rate MIB_PER_SECOND]                    for replicas that come back; 0 = no limit (200)
                 [--die-with-parent]                               ends at end-of-file of standard input
      """;

  private static final long MAX_HOLD_SECONDS = 86_400;
  private static final long MAX_RATE_MIB = 1 << 20;

  /** Throws {@link IllegalArgumentException} with one line that says what is wrong. */
  static EngineArguments parse(List<String> words) {
    if (words.isEmpty() || !words.getFirst().equals("serve")) {
      throw new IllegalArgumentException(
          words.isEmpty()
              ? "say what to do: serve"
              : "unknown word '" + words.getFirst() + "'; use serve");
    }
    @Nullable VolumeName name = null;
    Optional<VolumeId> volume = Optional.empty();
    List<ReplicaAddress> replicas = new ArrayList<>();
    List<Endpoint> listen = new ArrayList<>();
    Optional<Endpoint> control = Optional.empty();
    String authority = Authority.REPLICAS;
    List<Endpoint> store = new ArrayList<>();
    long holdMillis = VolumeConfig.DEFAULT_HOLD_MILLIS;
    long rate = VolumeConfig.DEFAULT_RESYNC_BYTES_PER_SECOND;
    for (int i = 1; i < words.size(); i += 2) {
      String word = words.get(i);
      if (i + 1 == words.size()) {
        throw new IllegalArgumentException(word + " needs a value");
      }
      String value = words.get(i + 1);
      switch (word) {
        case "--volume" -> name = new VolumeName(value);
        case "--volume-id" -> volume = Optional.of(VolumeId.parse(value));
        case "--replica" -> replicas.add(ReplicaAddress.parse(value));
        case "--nbd" -> listen.add(Endpoint.parse(value));
        case "--authority" -> authority = Authority.requireValid(value);
        case "--store" -> store.add(Endpoint.parse(value));
        case "--control" -> control = Optional.of(unix(word, value));
        case "--hold" -> holdMillis = 1_000 * number(word, value, MAX_HOLD_SECONDS);
        case "--resync-rate" -> rate = number(word, value, MAX_RATE_MIB) << 20;
        default -> throw new IllegalArgumentException("unknown option '" + word + "'");
      }
    }
    if (name == null || replicas.isEmpty() || listen.isEmpty()) {
      throw new IllegalArgumentException("--volume, --replica and --nbd are needed");
    }
    if (store.isEmpty() != authority.equals(Authority.REPLICAS)) {
      throw new IllegalArgumentException(
          store.isEmpty()
              ? "--authority " + authority + " needs --store: where that store answers"
              : "--store needs --authority store:CLUSTER");
    }
    EngineId engine = new EngineId(UUID.randomUUID());
    return new EngineArguments(
        new VolumeConfig(name, volume, engine, replicas, holdMillis, rate, authority, store),
        List.copyOf(listen),
        control);
  }

  /** Whoever reaches that socket commands the engine: it is for this host. */
  private static Endpoint unix(String word, String value) {
    if (Endpoint.parse(value) instanceof Endpoint.Unix unix) {
      return unix;
    }
    throw new IllegalArgumentException(word + " '" + value + "': use unix:PATH");
  }

  private static long number(String word, String value, long most) {
    try {
      long number = Long.parseLong(value);
      if (number >= 0 && number <= most) {
        return number;
      }
    } catch (NumberFormatException _) {
      // falls through to the one message
    }
    throw new IllegalArgumentException(word + " '" + value + "': use a number from 0 to " + most);
  }
}
