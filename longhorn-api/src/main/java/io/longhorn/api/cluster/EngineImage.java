package io.longhorn.api.cluster;

import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import java.util.Collections;
import java.util.SortedSet;
import java.util.TreeSet;

/**
 * A runtime directory of one version: what engines and replicas are started from.
 *
 * @param launcher the executable in it; its first word says what to start
 * @param version as the build names itself
 * @param versions what it is compatible with
 * @param deployedOn nodes where the directory is
 * @param refCount how many volumes, engines and replicas name it (observation)
 * @param noRefSinceMillis since when none does, 0 while some do (observation)
 */
public record EngineImage(
    String name,
    String launcher,
    String version,
    Versions versions,
    SortedSet<String> deployedOn,
    int refCount,
    long noRefSinceMillis)
    implements ClusterObject {
  /** Copies the set. */
  public EngineImage {
    deployedOn = Collections.unmodifiableSortedSet(new TreeSet<>(deployedOn));
  }

  /** An image that nobody uses yet. */
  public static EngineImage of(
      String name, String launcher, String version, Versions versions, SortedSet<String> nodes) {
    return new EngineImage(name, launcher, version, versions, nodes, 0, 0);
  }

  /**
   * What a build speaks and what it still understands: for each interface its version, and the
   * lowest that it understands.
   *
   * @param gitCommit what it was built from: the same means the same program
   */
  public record Versions(
      String gitCommit,
      int controllerApi,
      int controllerApiMin,
      int dataFormat,
      int dataFormatMin) {
    /** As the first build of all. */
    public static Versions first(String gitCommit) {
      return new Versions(gitCommit, 1, 1, 1, 1);
    }

    FieldWriter write() {
      return new FieldWriter()
          .text(1, gitCommit)
          .number(2, controllerApi)
          .number(3, controllerApiMin)
          .number(4, dataFormat)
          .number(5, dataFormatMin);
    }

    static Versions read(FieldReader in) {
      return new Versions(
          in.text(1), in.intNumber(2), in.intNumber(3), in.intNumber(4), in.intNumber(5));
    }
  }

  @Override
  public ObjectKind kind() {
    return ObjectKind.ENGINE_IMAGE;
  }

  /** Deployed on these nodes. */
  public EngineImage on(SortedSet<String> nodes) {
    return new EngineImage(name, launcher, version, versions, nodes, refCount, noRefSinceMillis);
  }

  /** Named by so many. */
  public EngineImage withReferences(int count, long nowMillis) {
    long since = count > 0 ? 0 : noRefSinceMillis == 0 ? nowMillis : noRefSinceMillis;
    return new EngineImage(name, launcher, version, versions, deployedOn, count, since);
  }

  @Override
  public FieldWriter write() {
    FieldWriter out =
        new FieldWriter()
            .text(1, name)
            .text(2, launcher)
            .text(3, version)
            .nested(4, versions.write())
            .number(5, refCount)
            .number(6, noRefSinceMillis);
    out.texts(7, deployedOn);
    return out;
  }

  static EngineImage read(FieldReader in) {
    return new EngineImage(
        in.text(1),
        in.text(2),
        in.text(3),
        in.has(4) ? Versions.read(in.nested(4)) : Versions.first(in.text(3)),
        in.allTexts(7),
        (int) in.number(5, 0),
        in.number(6, 0));
  }
}
