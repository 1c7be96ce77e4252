package io.longhorn.standalone.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLGenerator;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.PrintWriter;

/** JSON and YAML of the records of this package, and of lists of them. */
public final class Printer {
  private Printer() {}

  /** Prints a record, or a list of records, in a format that is not {@link Format#TABLE}. */
  public static void print(PrintWriter out, Format format, Object what) {
    try {
      out.println(mapper(format).writeValueAsString(what).stripTrailing());
      out.flush();
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("a report that cannot be printed: " + what, e);
    }
  }

  private static ObjectMapper mapper(Format format) {
    return switch (format) {
      case TABLE -> throw new IllegalArgumentException("a table is printed by its columns");
      case JSON -> JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();
      case YAML ->
          YAMLMapper.builder()
              .disable(YAMLGenerator.Feature.WRITE_DOC_START_MARKER)
              .enable(YAMLGenerator.Feature.INDENT_ARRAYS_WITH_INDICATOR)
              .build();
    };
  }
}
