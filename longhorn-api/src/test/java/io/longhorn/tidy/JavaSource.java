package io.longhorn.tidy;

import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/**
 * One Java file as the rules see it: what it declares and imports, and its code without comments
 * and literals.
 *
 * @param module folder of the Maven module, for example {@code longhorn-api}
 * @param path path inside the repository, for messages
 * @param raw the whole text
 * @param code the text with every comment and every string or character literal blanked out
 */
record JavaSource(String module, String path, String raw, String code) {

  private static final Pattern PACKAGE = Pattern.compile("(?m)^\\s*package\\s+([\\w.]+)\\s*;");
  private static final Pattern IMPORT =
      Pattern.compile("(?m)^\\s*import\\s+(?:static\\s+)?([\\w.]+(?:\\.\\*)?)\\s*;");
  private static final Pattern TYPE =
      Pattern.compile("\\b(?:class|interface|enum|record)\\s+([A-Z]\\w*)");

  static JavaSource of(String module, String path, String raw) {
    return new JavaSource(module, path, raw, withoutCommentsAndLiterals(raw));
  }

  String packageName() {
    var matcher = PACKAGE.matcher(code);
    return matcher.find() ? matcher.group(1) : "";
  }

  /** Names imported, statics with their member, a star kept. */
  List<String> imports() {
    return IMPORT.matcher(code).results().map(match -> match.group(1)).toList();
  }

  /** Simple names of every type declared here, nested ones too. */
  List<String> types() {
    return TYPE.matcher(code).results().map(match -> match.group(1)).toList();
  }

  /** The code after the imports: declarations only. */
  String body() {
    int end =
        IMPORT
            .matcher(code)
            .results()
            .mapToInt(MatchResult::end)
            .max()
            .orElseGet(() -> {
              var matcher = PACKAGE.matcher(code);
              return matcher.find() ? matcher.end() : 0;
            });
    return code.substring(end);
  }

  String fileName() {
    return path.substring(path.lastIndexOf('/') + 1);
  }

  boolean isDeclarationOnly() {
    return fileName().equals("package-info.java") || fileName().equals("module-info.java");
  }

  /** Blanks keep every offset and line where it was. */
  private static String withoutCommentsAndLiterals(String raw) {
    var out = new StringBuilder(raw);
    int at = 0;
    while (at < raw.length()) {
      int end;
      if (raw.startsWith("//", at)) {
        end = indexOrEnd(raw, "\n", at);
      } else if (raw.startsWith("/*", at)) {
        end = Math.min(raw.length(), indexOrEnd(raw, "*/", at + 2) + 2);
      } else if (raw.startsWith("\"\"\"", at)) {
        end = endOfLiteral(raw, at + 3, "\"\"\"");
      } else if (raw.charAt(at) == '"') {
        end = endOfLiteral(raw, at + 1, "\"");
      } else if (raw.charAt(at) == '\'') {
        end = endOfLiteral(raw, at + 1, "'");
      } else {
        at++;
        continue;
      }
      for (int i = at; i < end; i++) {
        if (raw.charAt(i) != '\n') {
          out.setCharAt(i, ' ');
        }
      }
      at = end;
    }
    return out.toString();
  }

  private static int indexOrEnd(String raw, String what, int from) {
    int index = raw.indexOf(what, from);
    return index < 0 ? raw.length() : index;
  }

  private static int endOfLiteral(String raw, int from, String quote) {
    int at = from;
    while (at < raw.length() && !raw.startsWith(quote, at)) {
      at += raw.charAt(at) == '\\' ? 2 : 1;
    }
    return Math.min(raw.length(), at + quote.length());
  }
}
