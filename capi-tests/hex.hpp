/* Bytes as they are written down in tests. */
#ifndef MSGR_HEX_HPP
#define MSGR_HEX_HPP

#include <msgr/bufferlist.hpp>

static inline msgr::bufferlist from_hex(std::string_view hex)
{
    msgr::bufferlist bl;
    for (size_t i = 0; i + 1 < hex.size(); i += 2)
        bl.append(char(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
    return bl;
}

static inline std::string to_hex(const msgr::bufferlist &bl)
{
    static const char DIGITS[] = "0123456789abcdef";
    std::string hex;
    for (const char c : bl.to_str()) {
        hex += DIGITS[(c >> 4) & 15];
        hex += DIGITS[c & 15];
    }
    return hex;
}

#endif
