package io.longhorn.orchestration.instance;

import io.longhorn.api.wire.WireFormatException;
import java.util.Locale;
import java.util.Optional;

/** What a process is. Numbers are for ever. */
public enum InstanceType {
  /** Serves a volume; ready when it prints {@code serving URI}, once per place. */
  ENGINE(1, "serving "),
  /** Serves one copy of a volume; ready when it prints {@code listening ADDRESS}. */
  REPLICA(2, "listening ");

  private final int code;
  private final String readyWord;

  InstanceType(int code, String readyWord) {
    this.code = code;
    this.readyWord = readyWord;
  }

  /** The number on the wire. */
  public int code() {
    return code;
  }

  /** What a line begins with by which such a process says where it serves. */
  public String readyWord() {
    return readyWord;
  }

  /** Where a process serves, if this line says so. */
  public Optional<String> addressIn(String line) {
    return line.startsWith(readyWord)
        ? Optional.of(line.substring(readyWord.length()).strip())
        : Optional.empty();
  }

  /** The type of a number; throws {@link WireFormatException}. */
  public static InstanceType ofCode(int code) {
    for (InstanceType type : values()) {
      if (type.code == code) {
        return type;
      }
    }
    throw new WireFormatException("instance: unknown type " + code);
  }

  /** As people read it: {@code engine}, {@code replica}. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
