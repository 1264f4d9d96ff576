/* svg.c: a picture of gnuplot as a part of a page. */
#include "report.h"

#include "memory.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdlib.h>
#include <string.h>

/* "#gpPt6" and "url(#clip)" become "#p3-gpPt6" and "url(#p3-clip)", "gpPt6" of an id "p3-gpPt6". */
static char *renamed(const char *value, bool is_id, size_t index)
{
    const char *hash = strchr(value, '#');
    if (is_id) {
        return bench_format("p%zu-%s", index, value);
    }
    bool refers = hash != NULL && (hash == value || strncmp(value, "url(#", 5) == 0);
    return refers ? bench_format("%.*s#p%zu-%s", (int)(hash - value), value, index, hash + 1) : NULL;
}

static bool is_colour(const char *name)
{
    return strcmp(name, "fill") == 0 || strcmp(name, "stroke") == 0 || strcmp(name, "color") == 0;
}

static void rename_attributes(xmlNodePtr node, size_t index)
{
    for (xmlAttrPtr at = node->properties; at != NULL; at = at->next) {
        const char *name = (const char *)at->name;
        char *value = (char *)xmlNodeListGetString(node->doc, at->children, 1);
        char *new = value == NULL || (is_colour(name) && strncmp(value, "url(", 4) != 0)
                        ? NULL
                        : renamed(value, strcmp(name, "id") == 0, index);
        if (new != NULL) {
            xmlNodePtr text = xmlNewText((const xmlChar *)new);
            xmlFreeNodeList(at->children);
            at->children = at->last = text;
            text->parent = (xmlNodePtr)at;
            text->doc = node->doc;
        }
        free(new);
        xmlFree(value);
    }
}

/* Leaves out what is only for the program that made it, and blanks. */
static void clean(xmlNodePtr node, size_t index)
{
    rename_attributes(node, index);
    for (xmlNodePtr child = node->children, next; child != NULL; child = next) {
        const char *name = (const char *)child->name;
        next = child->next;
        bool dropped = child->type == XML_COMMENT_NODE || strcmp(name, "title") == 0 || strcmp(name, "desc") == 0 ||
                       strcmp(name, "script") == 0;
        if (dropped) {
            xmlUnlinkNode(child);
            xmlFreeNode(child);
        } else if (child->type == XML_ELEMENT_NODE) {
            clean(child, index);
        }
    }
}

bool bench_svg_inline(xmlTextWriterPtr writer, const char *path, const char *title, size_t index)
{
    xmlDocPtr document = xmlReadFile(path, NULL, XML_PARSE_NONET | XML_PARSE_NOBLANKS);
    xmlNodePtr root = document == NULL ? NULL : xmlDocGetRootElement(document);
    if (root == NULL || strcmp((const char *)root->name, "svg") != 0) {
        bench_say("%s: is no picture", path);
        xmlFreeDoc(document);
        return false;
    }
    clean(root, index);
    xmlSetProp(root, (const xmlChar *)"role", (const xmlChar *)"img");
    xmlSetProp(root, (const xmlChar *)"aria-label", (const xmlChar *)title);
    xmlBufferPtr buffer = xmlBufferCreate();
    bool good = xmlNodeDump(buffer, document, root, 0, 0) > 0 &&
                xmlTextWriterWriteRaw(writer, xmlBufferContent(buffer)) >= 0;
    xmlBufferFree(buffer);
    xmlFreeDoc(document);
    return good;
}
