package io.longhorn.orchestration.instance;

import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.WireFormatException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * A process that is wanted on a node. The constructor throws {@link IllegalArgumentException} with
 * one line if a limit is passed.
 *
 * @param name unique on the node, also the name of its log: 1 to {@link #MAX_NAME_LENGTH} of a-z
 *     A-Z 0-9 . _ -, the first a letter or digit
 * @param type what it is
 * @param command the words of the command, the executable first; 1 to {@link #MAX_WORDS}, together
 *     at most {@link #MAX_COMMAND_BYTES}
 * @param addressHints where it was told to serve, for people and for whoever started it; at most
 *     {@link #MAX_ADDRESSES}; where it does serve is in its status
 * @param isOnce whether this is done once: after a run that ended well, or that was forgotten,
 *     whoever asks for another one is late
 */
public record InstanceSpec(
    String name,
    InstanceType type,
    List<String> command,
    List<String> addressHints,
    boolean isOnce) {
  /** Longest name, in characters. */
  public static final int MAX_NAME_LENGTH = 128;

  /** Most words of a command. */
  public static final int MAX_WORDS = 256;

  /** Most bytes of all words of a command. */
  public static final int MAX_COMMAND_BYTES = 32 << 10;

  /** Most addresses of an instance. */
  public static final int MAX_ADDRESSES = 16;

  /** Longest address, in characters. */
  public static final int MAX_ADDRESS_LENGTH = 512;

  private static final String NAME = "[a-zA-Z0-9][a-zA-Z0-9._-]*";

  /** Checks every limit. */
  public InstanceSpec {
    requireName(name);
    command = List.copyOf(command);
    addressHints = List.copyOf(addressHints);
    if (command.isEmpty() || command.size() > MAX_WORDS || command.getFirst().isEmpty()) {
      throw new IllegalArgumentException(
          "instance " + name + ": a command has 1 to " + MAX_WORDS + " words, the first not empty");
    }
    int bytes = 0;
    for (String word : command) {
      bytes += word.getBytes(StandardCharsets.UTF_8).length;
      if (word.indexOf('\0') >= 0 || bytes > MAX_COMMAND_BYTES) {
        throw new IllegalArgumentException(
            "instance "
                + name
                + ": a command has no zero character and at most "
                + MAX_COMMAND_BYTES
                + " bytes");
      }
    }
    if (addressHints.size() > MAX_ADDRESSES
        || addressHints.stream().anyMatch(hint -> hint.length() > MAX_ADDRESS_LENGTH)) {
      throw new IllegalArgumentException(
          "instance "
              + name
              + ": at most "
              + MAX_ADDRESSES
              + " addresses of at most "
              + MAX_ADDRESS_LENGTH
              + " characters");
    }
  }

  /** One that may run again and again. */
  public InstanceSpec(
      String name, InstanceType type, List<String> command, List<String> addressHints) {
    this(name, type, command, addressHints, false);
  }

  /** Returns the name if it can be one; throws {@link IllegalArgumentException}. */
  public static String requireName(String name) {
    if (name.length() > MAX_NAME_LENGTH || !name.matches(NAME)) {
      throw new IllegalArgumentException(
          "name '"
              + name.substring(0, Math.min(name.length(), MAX_NAME_LENGTH))
              + "': use 1 to "
              + MAX_NAME_LENGTH
              + " of a-z A-Z 0-9 . _ - and begin with a letter or digit");
    }
    return name;
  }

  /** Encodes. */
  public FieldWriter write() {
    FieldWriter out = new FieldWriter().text(1, name).number(2, type.code());
    command.forEach(word -> out.nested(3, new FieldWriter().text(1, word)));
    addressHints.forEach(hint -> out.nested(4, new FieldWriter().text(1, hint)));
    if (isOnce) {
      out.bool(5, true);
    }
    return out;
  }

  /** Decodes; throws {@link WireFormatException}. */
  public static InstanceSpec read(FieldReader in) {
    try {
      return new InstanceSpec(
          in.text(1), InstanceType.ofCode(in.intNumber(2)), texts(in, 3), texts(in, 4), in.bool(5));
    } catch (IllegalArgumentException e) {
      throw new WireFormatException(String.valueOf(e.getMessage()), e);
    }
  }

  static List<String> texts(FieldReader in, int field) {
    List<String> texts = new ArrayList<>();
    in.allNested(field).forEach(nested -> texts.add(nested.text(1)));
    return texts;
  }
}
