package io.longhorn.api.cluster;

import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;

/**
 * A value of the whole cluster.
 *
 * @param value as text
 */
public record Setting(String name, String value) implements ClusterObject {
  @Override
  public ObjectKind kind() {
    return ObjectKind.SETTING;
  }

  @Override
  public FieldWriter write() {
    return new FieldWriter().text(1, name).text(2, value);
  }

  static Setting read(FieldReader in) {
    return new Setting(in.text(1), in.text(2));
  }
}
