/** What commands print: as a table for people, as JSON or YAML for programs. */
@NullMarked
package io.longhorn.standalone.report;

import org.jspecify.annotations.NullMarked;
