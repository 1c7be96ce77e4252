package io.longhorn.replica.main;

import io.longhorn.api.Authority;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.VolumeName;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.replica.ReplicaOpener.IoMode;
import io.longhorn.api.replica.ReplicaSpec;
import io.longhorn.replica.server.ListenAddress;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;

/** What the replica process was asked to do. Pure: words in, a command or one line out. */
sealed interface CommandLine {
  /** How to use it. */
  String USAGE =
      """
      longhorn replica create --dir D --volume NAME --volume-id UUID --replica-id UUID --size BYTES --members UUID,UUID,... [--authority replicas|store:CLUSTER]
          make a replica in a missing or empty directory; fine if this one is there, and was never used
      longhorn replica serve --dir D --listen tcp:HOST:PORT|unix:PATH [--direct] [--die-with-parent]
          serve it; prints "listening ADDRESS" (port 0: the kernel chooses); ends cleanly on SIGTERM,
          with --die-with-parent also, at once, at end-of-file of standard input\
      """;

  /**
   * Make a replica.
   *
   * @param directory missing or empty, or this very replica's
   * @param spec what it is
   */
  record Create(Path directory, ReplicaSpec spec) implements CommandLine {}

  /**
   * Serve a replica.
   *
   * @param directory of the replica
   * @param address where to listen
   * @param mode how files are read and written
   */
  record Serve(Path directory, ListenAddress address, IoMode mode) implements CommandLine {}

  /** Say how to use it. */
  record Help() implements CommandLine {}

  /** The words make no sense: one line that says why. */
  final class UsageException extends Exception {
    private static final long serialVersionUID = 1;

    UsageException(String message) {
      super(message);
    }
  }

  /** Understands the words of the command line. */
  static CommandLine parse(String[] words) throws UsageException {
    List<String> all = Arrays.asList(words);
    if (all.isEmpty()) {
      throw new UsageException("no command; use create, serve or --help");
    }
    if (all.contains("--help") || all.contains("-h")) {
      return new Help();
    }
    Options options;
    return switch (words[0]) {
      case "create" -> {
        options =
            new Options(
                all,
                Set.of(
                    "--dir",
                    "--volume",
                    "--volume-id",
                    "--replica-id",
                    "--size",
                    "--members",
                    "--authority"),
                Set.of());
        yield create(options);
      }
      case "serve" -> {
        options = new Options(all, Set.of("--dir", "--listen"), Set.of("--direct"));
        yield new Serve(
            options.value("--dir", CommandLine::path),
            options.value("--listen", ListenAddress::parse),
            options.has("--direct") ? IoMode.DIRECT : IoMode.BUFFERED);
      }
      default -> throw new UsageException("no command '" + words[0] + "'; use create or serve");
    };
  }

  private static Create create(Options options) throws UsageException {
    ReplicaId replica = options.value("--replica-id", ReplicaId::parse);
    List<ReplicaId> members = options.value("--members", CommandLine::members);
    if (!members.contains(replica)) {
      throw new UsageException(
          "--members does not name --replica-id " + replica + "; a new replica is a member");
    }
    VolumeId volume = options.value("--volume-id", VolumeId::parse);
    VolumeName name = options.value("--volume", VolumeName::new);
    long sizeBytes = options.value("--size", CommandLine::size);
    String authority =
        options.optional("--authority", Authority::requireValid).orElse(Authority.REPLICAS);
    Path directory = options.value("--dir", CommandLine::path);
    try {
      MembershipRecord record = MembershipRecord.ofNewVolume(members);
      return new Create(
          directory, new ReplicaSpec(volume, name, replica, sizeBytes, authority, record));
    } catch (IllegalArgumentException e) {
      throw new UsageException(String.valueOf(e.getMessage()));
    }
  }

  private static Path path(String text) {
    try {
      return Path.of(text);
    } catch (InvalidPathException e) {
      throw new IllegalArgumentException("'" + e.getInput() + "' is no path", e);
    }
  }

  private static long size(String text) {
    try {
      return Long.parseLong(text);
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException("'" + text + "' is not a number of bytes", e);
    }
  }

  private static List<ReplicaId> members(String text) {
    List<ReplicaId> members = Arrays.stream(text.split(",", -1)).map(ReplicaId::parse).toList();
    if (Set.copyOf(members).size() != members.size()) {
      throw new IllegalArgumentException("one replica is named twice");
    }
    return members;
  }

  /** {@code --name value} and {@code --flag} words behind the command. */
  final class Options {
    private final TreeMap<String, String> values = new TreeMap<>();

    Options(List<String> words, Set<String> valued, Set<String> flags) throws UsageException {
      for (int i = 1; i < words.size(); i++) {
        String word = words.get(i);
        String value;
        if (flags.contains(word)) {
          value = "";
        } else if (!valued.contains(word)) {
          throw new UsageException("no option '" + word + "'; see --help");
        } else if (i + 1 == words.size()) {
          throw new UsageException(word + " needs a value behind it; see --help");
        } else {
          i++;
          value = words.get(i);
        }
        if (values.put(word, value) != null) {
          throw new UsageException(word + " is there twice; give it once");
        }
      }
    }

    boolean has(String option) {
      return values.containsKey(option);
    }

    <T> T value(String option, Function<String, T> parse) throws UsageException {
      return optional(option, parse)
          .orElseThrow(() -> new UsageException(option + " is missing; see --help"));
    }

    <T> Optional<T> optional(String option, Function<String, T> parse) throws UsageException {
      String text = values.get(option);
      if (text == null) {
        return Optional.empty();
      }
      try {
        return Optional.of(parse.apply(text));
      } catch (RuntimeException e) {
        throw new UsageException(option + ": " + e.getMessage());
      }
    }
  }
}
