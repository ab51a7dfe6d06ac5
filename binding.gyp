# Static libraries, the addon and the janitor. Only the addon is built with the Node-API headers, so
# that nothing of JavaScript can creep into the rest.
{
    "target_defaults": {
        "cflags": ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wno-missing-field-initializers",
                   "-fstack-protector-strong", "-fPIC"],
        "cflags!": ["-fno-strict-aliasing"],
        "cflags_cc": ["-std=c++20", "-fno-exceptions"],
        "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-fno-rtti"],
        "include_dirs": ["native"],
        "defines!": ["NDEBUG"]
    },
    "targets": [
        {
            "target_name": "carp_core",
            "type": "static_library",
            "sources": [
                "native/wire/advertisement.cc",
                "native/wire/balance.cc",
                "native/wire/digest.cc",
                "native/wire/neighbour.cc",
                "native/core/group_takeover.cc",
                "native/core/host.cc",
                "native/core/host_demotion.cc",
                "native/core/host_neighbours.cc",
                "native/core/vhost.cc",
                "native/core/vhost_judge.cc",
                "native/core/vhost_output.cc"
            ]
        },
        {
            "target_name": "carp_sim",
            "type": "static_library",
            "sources": ["<!@(ls -1 native/sim/*.cc)"]
        },
        {
            "target_name": "carp_sys",
            "type": "static_library",
            "sources": ["<!@(ls -1 native/sys/*.cc | grep -v janitor_main)"]
        },
        {
            "target_name": "carp_engine",
            "type": "static_library",
            "sources": ["<!@(ls -1 native/engine/*.cc)"]
        },
        {
            "target_name": "carp",
            "type": "loadable_module",
            "dependencies": ["carp_sim", "carp_core", "carp_engine", "carp_sys"],
            "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
            "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS"],
            "ldflags": ["-Wl,-z,relro,-z,now"],
            "sources": ["<!@(ls -1 native/binding/*.cc)"]
        },
        {
            "target_name": "carp-janitor",
            "type": "executable",
            "dependencies": ["carp_sys"],
            "cflags": ["-fPIE"],
            "ldflags": ["-pie", "-Wl,-z,relro,-z,now"],
            "sources": ["native/sys/janitor_main.cc"]
        }
    ]
}
