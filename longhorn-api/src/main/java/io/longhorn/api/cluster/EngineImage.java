package io.longhorn.api.cluster;

import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;

/**
 * A runtime directory of one version: what engines and replicas are started from.
 *
 * @param launcher the executable in it; its first word says what to start
 * @param version as the build names itself
 */
public record EngineImage(String name, String launcher, String version) implements ClusterObject {
  @Override
  public ObjectKind kind() {
    return ObjectKind.ENGINE_IMAGE;
  }

  @Override
  public FieldWriter write() {
    return new FieldWriter().text(1, name).text(2, launcher).text(3, version);
  }

  static EngineImage read(FieldReader in) {
    return new EngineImage(in.text(1), in.text(2), in.text(3));
  }
}
