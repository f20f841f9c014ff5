# FindMsgr: for projects that carry this file and take libmsgr from wherever the system has it.
#
#   list(APPEND CMAKE_MODULE_PATH "${CMAKE_CURRENT_SOURCE_DIR}/cmake")
#   find_package(Msgr 0.1 REQUIRED)
#   target_link_libraries(daemon PRIVATE Msgr::msgr)
#
# Defines Msgr_FOUND, Msgr_VERSION and, for each library that is there, a target:
#
#   Msgr::msgr         the library the linker would take for -lmsgr
#   Msgr::msgr_static  libmsgr.a and the system libraries it needs
#
# To point it somewhere, set CMAKE_PREFIX_PATH, or MSGR_INCLUDE_DIR, MSGR_LIBRARY and MSGR_STATIC_LIBRARY.

# pkg-config only hints where to look.
find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(PC_MSGR QUIET msgr)
endif()

find_path(MSGR_INCLUDE_DIR NAMES msgr.h HINTS ${PC_MSGR_INCLUDE_DIRS})
find_library(MSGR_LIBRARY NAMES msgr HINTS ${PC_MSGR_LIBRARY_DIRS})
find_library(MSGR_STATIC_LIBRARY NAMES libmsgr.a HINTS ${PC_MSGR_LIBRARY_DIRS})
mark_as_advanced(MSGR_INCLUDE_DIR MSGR_LIBRARY MSGR_STATIC_LIBRARY)

# The header knows its version; pkg-config may speak of another installation.
if(MSGR_INCLUDE_DIR AND EXISTS "${MSGR_INCLUDE_DIR}/msgr.h")
  set(Msgr_VERSION "")
  foreach(_msgr_part MAJOR MINOR PATCH)
    file(STRINGS "${MSGR_INCLUDE_DIR}/msgr.h" _msgr_line REGEX "^#define MSGR_VERSION_${_msgr_part} +[0-9]+" LIMIT_COUNT 1)
    string(REGEX MATCH "[0-9]+$" _msgr_number "${_msgr_line}")
    string(APPEND Msgr_VERSION ".${_msgr_number}")
  endforeach()
  string(SUBSTRING "${Msgr_VERSION}" 1 -1 Msgr_VERSION)
  unset(_msgr_part)
  unset(_msgr_line)
  unset(_msgr_number)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Msgr
  REQUIRED_VARS MSGR_LIBRARY MSGR_INCLUDE_DIR
  VERSION_VAR Msgr_VERSION)

if(Msgr_FOUND)
  set(_msgr_native "-lgcc_s;-lutil;-lrt;-lpthread;-lm;-ldl;-lc")
  if(NOT TARGET Msgr::msgr)
    add_library(Msgr::msgr UNKNOWN IMPORTED)
    set_target_properties(Msgr::msgr PROPERTIES
      IMPORTED_LOCATION "${MSGR_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${MSGR_INCLUDE_DIR}")
    if(MSGR_LIBRARY MATCHES "\\.a$")
      set_property(TARGET Msgr::msgr PROPERTY INTERFACE_LINK_LIBRARIES "${_msgr_native}")
    endif()
  endif()
  if(MSGR_STATIC_LIBRARY AND NOT TARGET Msgr::msgr_static)
    add_library(Msgr::msgr_static STATIC IMPORTED)
    set_target_properties(Msgr::msgr_static PROPERTIES
      IMPORTED_LOCATION "${MSGR_STATIC_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${MSGR_INCLUDE_DIR}"
      INTERFACE_LINK_LIBRARIES "${_msgr_native}")
  endif()
  unset(_msgr_native)
endif()
